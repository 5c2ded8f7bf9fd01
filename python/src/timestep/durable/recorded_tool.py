"""Tools whose results are recorded, or taken from the record."""

import copy
import hashlib
from collections.abc import Collection, Sequence
from typing import Any, cast

from agents import (
    FunctionTool,
    ItemHelpers,
    ToolOutputFileContent,
    ToolOutputImage,
    ToolOutputText,
)
from agents.agent_tool_state import drop_agent_tool_run_result, get_agent_tool_state_scope
from agents.tool import invoke_function_tool
from agents.tool_context import ToolContext
from openai.types.responses import ResponseFunctionToolCall

from timestep import documents
from timestep.durable.journal import Journal, Step, now, tool_key
from timestep.durable.loop import Loop, current_frame, current_loop, frame_of_call
from timestep.durable.recorded_model import response_of
from timestep.durable.tools import set_idempotency_key, when_unknown
from timestep.durable.unknown_outcome import OUTCOME_UNKNOWN, asking, may_repeat
from timestep.errors import ArgumentsChangedError

_RECORDED = "_timestep_recorded"


def recorded_tool(tool: FunctionTool, begun: Collection[str] = ()) -> FunctionTool:
    """Return the tool with its results recorded; the tool itself is left as it is.

    Args:
        tool: The tool.
        begun: The keys of calls that were begun and have not ended (none).
    """
    if is_recorded(tool):
        return tool

    async def invoke(context: ToolContext[Any], arguments: str) -> Any:
        loop = current_loop.get()
        if loop is None:
            return await tool.on_invoke_tool(context, arguments)
        return await _Call(loop, tool, context, arguments).result()

    recorded = copy.copy(tool)
    recorded.on_invoke_tool = invoke
    # the call's own time limit is kept inside, so that running out of it is recorded too
    recorded.timeout_seconds = None
    if begun and when_unknown(tool) == "ask":
        recorded.needs_approval = asking(tool, begun)
    setattr(recorded, _RECORDED, tool)
    return recorded


def is_recorded(tool: FunctionTool) -> bool:
    """Return whether the tool's results are recorded."""
    return hasattr(tool, _RECORDED)


class _Call:
    """One call of a tool in a durable run."""

    def __init__(
        self, loop: Loop, tool: FunctionTool, context: ToolContext[Any], arguments: str
    ) -> None:
        self.loop = loop
        self.tool = tool
        self.context = context
        self.arguments = arguments
        self.key = tool_key(loop.path, context.tool_call_id)
        self.frame = frame_of_call(loop, context.tool_call_id)

    @property
    def journal(self) -> Journal:
        return self.loop.journal

    async def result(self) -> Any:
        """Return what the tool returned when the call was first made, or make it."""
        agent = self.context.agent.name if self.context.agent else self.loop.agent
        self.loop.agent = agent
        step = self.journal.answer(
            self.key, agent=agent, name=self.tool.name, call_id=self.context.tool_call_id
        )
        if step is not None and step.status != "started":
            if getattr(self.tool, "_is_agent_tool", False):
                self._end_nested_run()
            return _returned(step)
        edited = self._edited_arguments()
        self._prepare(edited)
        if when_unknown(self.tool) and not await self._begin(step):
            return self._outcome_unknown()
        return await self._make(edited=edited is not None)

    async def _begin(self, begun: Step | None) -> bool:
        """Note that the call is about to be made; False if that must not happen."""
        again = begun is not None and when_unknown(self.tool) == "ask"
        return await self.journal.begin(
            self._step(), again=again and may_repeat(self.loop.execution, cast("Step", begun))
        )

    def _end_nested_run(self) -> None:
        """Count what an agent that ran as this tool used, and forget where it was paused.

        Its loop does not run again, and the SDK would take the pause for one of now.
        """
        drop_agent_tool_run_result(
            cast("ResponseFunctionToolCall", self.context.tool_call),
            scope_id=get_agent_tool_state_scope(self.context),
        )
        segment = self.loop.execution.segment
        for step in self.journal.models_inside(self.frame.path):
            if step.segment == segment:
                self.context.usage.add(response_of(step).usage)

    async def _make(self, *, edited: bool) -> Any:
        await self.journal.settled()
        started = now()
        self.loop.execution.process_must_be_alive()
        try:
            value = await self._invoke()
        except BaseException:
            self.journal.forget_question(self.key)
            raise
        if self._waits_for_decision(value):
            self.journal.forget_question(self.key)
            return value
        if edited:
            value = _with_note(value, self.arguments)
        self.journal.record(self._step(body=self._body(value)), started)
        return value

    async def _invoke(self) -> Any:
        frame_token = current_frame.set(self.frame)
        loop_token = current_loop.set(None)
        try:
            return await invoke_function_tool(
                function_tool=self.tool, context=self.context, arguments=self.arguments
            )
        finally:
            current_loop.reset(loop_token)
            current_frame.reset(frame_token)

    def _prepare(self, edited: str | None) -> None:
        set_idempotency_key(self.context, f"{self.journal.run_id}{self.frame.path}")
        if edited is not None:
            self.arguments = edited
            self.context.tool_arguments = edited
            # what the SDK has parsed is from the model's arguments
            self.context._function_tool_arguments = None  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]

    def _edited_arguments(self) -> str | None:
        decision = self.loop.execution.decisions.get(self.context.tool_call_id)
        if decision is None or decision.tool != self.tool.name:
            return None
        if decision.arguments_sha256 not in hashes_of(self.arguments):
            raise ArgumentsChangedError(
                f"Run {self.journal.run_id}: the call {self.context.tool_call_id} of"
                f" {self.tool.name} was approved with other arguments than those that it would be"
                " called with now. It was not called."
            )
        return decision.arguments_used

    def _waits_for_decision(self, value: object) -> bool:
        """Return whether an agent that runs as this tool is paused: the call has not ended."""
        if self.frame.interrupted:
            return True
        agent_tool = getattr(self.tool, "_is_agent_tool", False)
        return bool(agent_tool) and value is None and not self.frame.loops

    def _outcome_unknown(self) -> str:
        self.journal.close_unknown(self._step(), OUTCOME_UNKNOWN)
        return OUTCOME_UNKNOWN

    def _step(self, body: dict[str, Any] | None = None) -> Step:
        return Step(
            key=self.key,
            kind="tool",
            agent=self.loop.agent,
            name=self.tool.name,
            call_id=self.context.tool_call_id,
            arguments=self.arguments,
            body=body,
        )

    def _body(self, value: object) -> dict[str, Any]:
        output = self._output(value)
        if isinstance(value, str):
            return {"output": output}
        try:
            plain = documents.load(documents.dump(_plain(value)))
        except ValueError:
            return {"output": output}
        # what is not the same to the model once it was JSON, such as a tuple, is kept as text only
        return (
            {"output": output, "value": plain}
            if self._output(plain) == output
            else {"output": output}
        )

    def _output(self, value: object) -> Any:
        item = ItemHelpers.tool_call_output_item(
            cast("ResponseFunctionToolCall", self.context.tool_call),
            value,
            output_json_schema=self.tool.output_json_schema,
            output_type_adapter=self.tool._output_type_adapter,  # noqa: SLF001 - what the SDK itself passes  # pyright: ignore[reportPrivateUsage]
        )
        return item["output"]


def hashes_of(arguments: str) -> set[str]:
    """Return the hashes that these arguments may have been approved under.

    They differ by how the two languages put lone surrogates into bytes.
    """
    replaced = arguments.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    texts = (arguments.encode("utf-8", "surrogatepass"), replaced.encode())
    return {hashlib.sha256(text).hexdigest() for text in texts}


def _returned(step: Step) -> Any:
    body = cast("dict[str, Any]", step.body)
    if step.language == "python" and "value" in body:
        return body["value"]
    output = body["output"]
    return output if isinstance(output, str) else [_native_part(part) for part in output]


def _native_part(part: dict[str, Any]) -> dict[str, Any]:
    kind = {"input_text": "text", "input_image": "image", "input_file": "file"}
    return {**part, "type": kind.get(part["type"], part["type"])}


def _plain(value: object) -> object:
    if isinstance(value, ToolOutputText | ToolOutputImage | ToolOutputFileContent):
        return {**value.model_dump(mode="json", exclude_none=True), "type": value.type}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in cast("Sequence[object]", value)]
    return value


def _with_note(value: object, arguments: str) -> object:
    note = f"[Called with arguments edited by a person: {arguments}]"
    if isinstance(value, list | tuple):
        return [{"type": "text", "text": note}, *cast("Sequence[object]", value)]
    return f"{note}\n{value}"
