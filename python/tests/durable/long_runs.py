"""A process with runs of many turns, by the SDK's runner and as durable runs.

Usage: long_runs.py <command> <JSON>. The answer is one line of JSON on standard output.
KILL names when the process kills itself with SIGKILL: "tool:<n>" in the n-th call of a tool,
"cut:<n>" when a stretch has ended for the n-th time, "turn:<n>" when the model is asked then.
"""

import asyncio
import dataclasses
import json
import os
import signal
import sys
import traceback
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from agents import (
    Agent,
    AgentHooks,
    AgentsException,
    GuardrailFunctionOutput,
    HandoffInputData,
    Model,
    ModelResponse,
    ModelSettings,
    RunConfig,
    RunContextWrapper,
    RunErrorHandlerResult,
    RunHooks,
    Runner,
    RunResult,
    Tool,
    Usage,
    function_tool,
    handoff,
    input_guardrail,
    output_guardrail,
    set_trace_processors,
    set_tracing_disabled,
)
from agents.run import AgentRunner, get_default_agent_runner, set_default_agent_runner
from agents.tracing import Span, Trace, TracingProcessor
from openai.types.responses import (
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
    ResponseReasoningItem,
)
from pydantic import BaseModel
from timestep import Session
from timestep.durable import stretches
from timestep.durable.approvals import decide_approval
from timestep.durable.configuration import configure_dbos
from timestep.durable.launch import ensure_dbos_launched
from timestep.durable.reading import list_approvals
from timestep.durable.result import WorkflowResult
from timestep.durable.resuming import resume_run
from timestep.durable.runs import run_agent_workflow

TURNS = stretches.TURNS


class Watch:
    """What is seen of a run from the outside."""

    def __init__(self) -> None:
        self.requests: list[Any] = []  # everything that the model was given
        self.inputs: list[Any] = []  # what tools see of the run
        self.usages: list[Usage] = []  # and what they could keep of it
        self.hooks: list[str] = []
        self.spans: list[Any] = []
        self.cuts = 0
        self.result: RunResult | None = None


watch = Watch()
kill = {"what": "", "left": 0}


def at(what: str) -> None:
    """Kill this process if it is time."""
    if what == kill["what"]:
        kill["left"] -= 1
        if kill["left"] == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def effect(context: RunContextWrapper[Any], value: object) -> None:
    watch.inputs.append([context.turn_input, context.usage.requests])
    watch.usages.append(context.usage)
    with Path(os.environ["EFFECTS"]).open("a") as file:
        file.write(json.dumps(value) + "\n")
    at("tool")


@function_tool
async def add(context: RunContextWrapper[Any], number: int) -> str:
    effect(context, number)
    return str(number + 1)


@function_tool
async def find(context: RunContextWrapper[Any], number: int) -> dict[str, Any]:
    effect(context, number)
    return {"found": [number, {"deep": number}]}


@function_tool(needs_approval=True)
async def pay(context: RunContextWrapper[Any], number: int) -> str:
    effect(context, number)
    return f"paid {number}"


def message(text: str) -> ResponseOutputMessage:
    part = ResponseOutputText(type="output_text", text=text, annotations=[])
    return ResponseOutputMessage(
        id="msg_1", type="message", role="assistant", status="completed", content=[part]
    )


def call(name: str, number: int, call_id: str, **arguments: object) -> ResponseFunctionToolCall:
    return ResponseFunctionToolCall(
        type="function_call",
        id=f"fc_{call_id}",
        call_id=call_id,
        name=name,
        arguments=json.dumps(arguments or {"number": number}),
        status="completed",
    )


class Talker(Model):
    """Calls tools until it has been asked so many times; what it was given is kept."""

    def __init__(self, turns: int, *, pay_at: list[int], hand_over_at: int, final: str) -> None:
        self.turns = turns
        self.pay_at = pay_at
        self.hand_over_at = hand_over_at
        self.final = final

    def _supports_default_prompt_cache_key(self) -> bool:
        return True

    async def get_response(
        self,
        system_instructions: str | None,
        input: str | list[Any],  # noqa: A002 - the SDK's name
        model_settings: ModelSettings,
        tools: list[Tool],
        *_: Any,
        **__: Any,
    ) -> ModelResponse:
        assert isinstance(input, list)
        number = 1 + sum(
            item.get("type") == "function_call" and item["call_id"].startswith("a")
            for item in input
        )
        settings = dataclasses.asdict(model_settings)
        key = (settings.pop("extra_args") or {}).get("prompt_cache_key")
        watch.requests.append(
            [system_instructions, json.dumps(input), settings, [t.name for t in tools], key]
        )
        at("turn")
        usage = Usage(requests=1, input_tokens=len(input), output_tokens=1, total_tokens=1)
        return ModelResponse(output=self._output(number), usage=usage, response_id=f"r{number}")

    def _output(self, number: int) -> list[Any]:
        if number == self.turns:
            return [message(self.final)]
        if number == self.hand_over_at:
            return [message("Over."), call("transfer_to_second", 0, f"a{number}", why="so")]
        if number in self.pay_at:
            return [call("pay", number, f"a{number}"), call("add", number, f"b{number}")]
        if number % 4 == 0:
            thought = ResponseReasoningItem(type="reasoning", id=f"rs_{number}", summary=[])
            return [thought, call("find", number, f"a{number}"), call("add", number, f"b{number}")]
        return [call("add", number, f"a{number}")]

    def stream_response(self, *_: Any, **__: Any) -> AsyncIterator[Any]:
        raise NotImplementedError


class KeepsSomething(Talker):
    """A model that has something of a run until the run ends."""

    async def _cleanup_on_run_end(self, owner: object) -> None:
        watch.hooks.append("cleaned up")


class Answer(BaseModel):
    answer: int


class Hooks(RunHooks[Any]):
    """Notes what it is told of."""

    async def on_agent_start(self, context: Any, agent: Any) -> None:
        watch.hooks.append(f"start {agent.name} {len(context.turn_input)}")

    async def on_agent_end(self, context: Any, agent: Any, output: Any) -> None:
        watch.hooks.append(f"end {agent.name} {output}")

    async def on_llm_start(self, *_: Any) -> None:
        watch.hooks.append("ask")

    async def on_tool_end(self, *_: Any) -> None:
        watch.hooks.append("tool")


class OneAgentsHooks(AgentHooks[Any]):
    """The same for one agent."""

    async def on_start(self, context: Any, agent: Any) -> None:
        watch.hooks.append(f"start {agent.name} {len(context.turn_input)}")

    async def on_end(self, context: Any, agent: Any, output: Any) -> None:
        watch.hooks.append(f"end {agent.name} {output}")


@input_guardrail
async def harmless(*_: Any) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput(output_info=None, tripwire_triggered=False)


@output_guardrail
async def polite(*_: Any) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput(output_info=None, tripwire_triggered=False)


def everything(data: HandoffInputData) -> HandoffInputData:
    return data


def instructions(context: RunContextWrapper[Any], agent: Agent[Any]) -> str:
    return f"{agent.name} after {context.usage.requests}, given {len(context.turn_input)}"


def agents(
    turns: int,
    *,
    pay_at: list[int] | None = None,
    hand_over_at: int = 0,
    typed: bool = False,
    special: str = "",
) -> Agent[Any]:
    """Return an agent that comes to so many turns, and hands over to a second one."""
    kind = KeepsSomething if special == "model" else Talker
    model = kind(
        turns,
        pay_at=pay_at or [],
        hand_over_at=hand_over_at,
        final='{"answer": 42}' if typed else "done",
    )
    options: dict[str, Any] = {
        "instructions": instructions,
        "model": model,
        "model_settings": ModelSettings(tool_choice="required"),
        "output_type": Answer if typed else None,
    }
    tools = [add, find, pay]
    second = Agent(name="second", tools=tools, **options)
    if special == "agent hooks":
        options["hooks"] = OneAgentsHooks()
    if special == "input guardrail":
        options["input_guardrails"] = [harmless]
    if special == "output guardrail":
        options["output_guardrails"] = [polite]
    if special == "tool use":
        options["tool_use_behavior"] = {"stop_at_tool_names": ["nothing"]}
    if special == "namesake":
        namesake = Agent(name="second", handoffs=[], **{**options, "instructions": "Another."})
        second.handoffs = [namesake]
    over: Any = handoff(second, input_filter=everything) if special == "filter" else second
    return Agent(name="lead", tools=tools, handoffs=[over], **options)


def options_of(special: str) -> dict[str, Any]:
    """Return what is special about a run, as options of both runners."""
    if special == "hooks":
        return {"hooks": Hooks()}
    if special == "error handlers":
        return {"error_handlers": {"max_turns": lambda _: RunErrorHandlerResult("enough")}}
    config: dict[str, Any] = {
        "model input filter": {"call_model_input_filter": lambda call: call.model_data},
        "nested history": {"nest_handoff_history": True},
        "reasoning ids": {"reasoning_item_id_policy": "omit"},
        "config guardrail": {"output_guardrails": [polite]},
    }
    return {"run_config": RunConfig(**config[special])} if special in config else {}


class Watching(AgentRunner):
    """Keeps the result of the outermost loop, as the durable run gets it."""

    def __init__(self, inner: AgentRunner) -> None:
        self.inner = inner

    async def run(self, starting_agent: Any, input: Any, **options: Any) -> RunResult:  # noqa: A002 - the SDK's name
        result = await self.inner.run(starting_agent, input, **options)
        if starting_agent.name == "lead":
            watch.result = result
        return result


class OwnRunner(AgentRunner):
    """A runner that was there before durable runs, and notes what it runs."""

    async def run(self, starting_agent: Any, input: Any, **options: Any) -> RunResult:  # noqa: A002 - the SDK's name
        watch.hooks.append(f"run {starting_agent.name}")
        return await super().run(starting_agent, input, **options)


class Spans(TracingProcessor):
    """Notes traces and agent spans."""

    def on_trace_start(self, trace: Trace) -> None:
        watch.spans.append(["trace", trace.name, len({trace.trace_id})])

    def on_trace_end(self, trace: Trace) -> None:
        watch.spans.append(["end of trace"])

    def on_span_start(self, span: Span[Any]) -> None: ...

    def on_span_end(self, span: Span[Any]) -> None:
        if span.span_data.type == "agent":
            watch.spans.append(["agent", span.span_data.export()["name"]])

    def shutdown(self) -> None: ...

    def force_flush(self) -> None: ...


def told(result: Any) -> dict[str, Any]:
    """Return what a result tells, and the state that it gives."""
    assert isinstance(result, RunResult)
    state = result.to_state().to_json()
    # new in every run, but in a run always the same
    assert {state.pop("generated_prompt_cache_key")} == {request[-1] for request in watch.requests}
    return {
        "input": result.input,
        "items": [[i.type, i.agent.name, repr(i.to_input_item())] for i in result.new_items
                  if i.type != "tool_approval_item"],
        "list": result.to_input_list(),
        "normalized": result.to_input_list(mode="normalized"),
        "responses": [response.response_id for response in result.raw_responses],
        "output": repr(result.final_output),
        "agent": [result.last_agent.name, repr(result.last_agent.tool_use_behavior)],
        "usage": repr(result.context_wrapper.usage),
        "turn_input": result.context_wrapper.turn_input,
        "state": state,
    }  # fmt: skip


def told_error(error: AgentsException) -> dict[str, Any]:
    data = error.run_data
    assert data is not None
    return {
        "error": repr(error),
        "input": data.input,
        "items": [[item.type, repr(item.raw_item)] for item in data.new_items],
        "responses": len(data.raw_responses),
        "agent": data.last_agent.name,
        "usage": repr(data.context_wrapper.usage),
    }


def seen() -> dict[str, Any]:
    """Return what was seen of the run before, and begin anew."""
    global watch
    was, watch = watch, Watch()
    return {
        "requests": [request[:-1] for request in was.requests],
        "inputs": was.inputs,
        "usages": len(set(map(id, was.usages))),
        "hooks": was.hooks,
        "spans": was.spans,
        "cuts": was.cuts,
    }


def given(session: Any) -> Any:
    """Return the input of a run: a text, or items in a conversation."""
    if session is None:
        return "please"
    return [{"role": "user", "content": "first"}, {"role": "user", "content": "please"}]


async def plain(*, session_id: str | None = None, special: str = "", max_turns: int = 99,
                **case: Any) -> dict[str, Any]:  # fmt: skip
    """Run with the SDK's runner; what waits for approval is approved."""
    agent = agents(special=special, **case)
    session = Session(session_id) if session_id else None
    options: Any = {**options_of(special), "session": session, "max_turns": max_turns}
    results: list[Any] = []
    run_input = given(session)
    try:
        while True:
            result = await Runner.run(agent, run_input, **options)
            results.append(told(result))
            if not result.interruptions:
                break
            run_input = result.to_state()
            for item in run_input.get_interruptions():
                run_input.approve(item)
    except AgentsException as error:
        results.append(told_error(error))
    return {"results": results, **seen()}


async def durable(*, workflow_id: str, session_id: str | None = None, special: str = "",
                  max_turns: int = 99, turns_in_one: int = TURNS, **case: Any
                  ) -> dict[str, Any]:  # fmt: skip
    """Run as a durable run; what waits for approval is approved."""
    stretches.TURNS = turns_in_one
    agent = agents(special=special, **case)
    session = Session(session_id) if session_id else None
    options: Any = {**options_of(special), "session": session, "max_turns": max_turns}
    results: list[Any] = []
    try:
        run = await run_agent_workflow(agent, given(session), workflow_id=workflow_id, **options)
        results.append(told(watch.result))
        while run.status == "interrupted":
            for approval in await list_approvals(run_id=workflow_id):
                await decide_approval(approval.approval_id, approve=True)
            run = await (await resume_run(workflow_id)).get_result()
            results.append(told(watch.result))
    except AgentsException as error:
        results.append(told_error(error))
    return {"results": results, **seen()}


async def several(*, calls: list[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Carry out commands one after the other."""
    return [await globals()[command](**options) for command, options in calls]


helper = Agent(name="helper", instructions="Help.", tools=[find, pay])
second = Agent(name="second", instructions="Go on.", tools=[add, find])
lead = Agent(
    name="lead",
    instructions="Lead.",
    tools=[add, find, helper.as_tool("ask_helper", "Helps.")],
    handoffs=[second],
    model_settings=ModelSettings(tool_choice="required"),
)


async def served(
    *, workflow_id: str | None, session_id: str | None = None, turns_in_one: int = TURNS
) -> dict[str, Any]:
    """Ask the scripted model, as a durable run if it has an id."""
    stretches.TURNS = turns_in_one
    session = Session(session_id) if session_id else None
    options: Any = {"session": session, "max_turns": 99}
    if workflow_id is None:
        output = (await Runner.run(lead, "please", **options)).final_output
    else:
        run = await run_agent_workflow(lead, "please", workflow_id=workflow_id, **options)
        output = (await approved(run)).final_output
    return {"output": output, "cuts": watch.cuts, "inputs": watch.inputs}


async def approved(run: WorkflowResult) -> WorkflowResult:
    """Approve all that a run waits for, and return what it came to."""
    while run.status == "interrupted":
        for approval in await list_approvals(run_id=run.run_id):
            await decide_approval(approval.approval_id, approve=True)
        run = await (await resume_run(run.run_id)).get_result()
    return run


def count_cuts() -> None:
    following = stretches.Stretches.next

    def counted(self: Any, result: RunResult) -> Any:
        watch.cuts += 1
        at("cut")
        return following(self, result)

    stretches.Stretches.next = counted  # type: ignore[method-assign]


async def main(command: str, options: dict[str, Any]) -> Any:
    traced = options.pop("traced", False)
    set_tracing_disabled(not traced)
    set_trace_processors([Spans()])
    count_cuts()
    if options.pop("own_runner", False):
        set_default_agent_runner(OwnRunner())
    configure_dbos(agents=[lead], lease_seconds=3)
    await ensure_dbos_launched()
    set_default_agent_runner(Watching(get_default_agent_runner()))
    return await globals()[command](**options)


def begin(command: str, options: str) -> int:
    """Carry out a command in a new process and print its answer."""
    kill["what"], _, number = os.environ.get("KILL", "never:0").partition(":")
    kill["left"] = int(number)
    try:
        answer = asyncio.run(main(command, json.loads(options)))
    except Exception as error:  # noqa: BLE001 - the test looks at it
        traceback.print_exc()
        answer = {"error": type(error).__name__, "message": str(error)}
    sys.stdout.write(json.dumps(answer) + "\n")
    return int("error" in answer)


if __name__ == "__main__":
    sys.exit(begin(*sys.argv[1:]))
