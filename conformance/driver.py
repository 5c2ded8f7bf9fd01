"""Starts, decides and resumes runs of scenarios, in Python. driver.ts is the same."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any, cast

import timestep
from agents import (
    OpenAIProvider,
    RunConfig,
    RunState,
    set_trace_processors,
)
from agents.mcp import MCPServerStdio
from timestep import RunStateStore, Session, run_agent

from .scenario import Json, build_agents, build_context, local_mcp_servers, serializers
from .serving import Command, Tell, fork_when_asked, serve

State = RunState[Any, Any]


class Driver:
    """Runs commands until its input ends."""

    def __init__(self) -> None:
        self._open_servers = AsyncExitStack()
        self._mcp_servers: dict[str, MCPServerStdio] = {}
        self._commands: dict[str, Command] = {
            "start": self.start,
            "decide": self.decide,
            "resume": self.resume,
            "save_many": self.save_many,
            "open": self.open,
            "names": self.names,
        }

    async def serve(self) -> None:
        async with self._open_servers:
            await serve(self._commands, self._connect)

    async def start(self, command: Json, tell: Tell) -> Json:
        """Run the scenario from its input; save it if it pauses."""
        scenario = command["scenario"]
        result = await self._run(command, tell, scenario["input"], **_start_options(scenario))
        if not result.interruptions:
            return _report(result)
        async with self._store(command, tell) as store:
            tell({"event": "saving"})
            version = await store.save(result.to_state())
        tell({"event": "saved", "version": version})
        return _report(result, version)

    async def decide(self, command: Json, tell: Tell) -> Json:
        """Load the saved run, decide, and save it again without running it."""
        async with self._store(command, tell) as store:
            state = await store.load()
            _decide(state, command)
            tell({"event": "saving"})
            version = await store.save(state)
        tell({"event": "saved", "version": version})
        return {"version": version}

    async def resume(self, command: Json, tell: Tell) -> Json:
        """Load the saved run, decide, and run it on."""
        async with self._store(command, tell) as store:
            state = await store.load()
            tell({"event": "loaded"})
            _decide(state, command)
            return _report(await self._run(command, tell, state))

    async def save_many(self, command: Json, tell: Tell) -> list[int]:
        """Run to the pause, then save the state in many sessions at once."""
        result = await self._run(command, tell, command["scenario"]["input"])
        stores = [
            self._store({**command, "session_id": session_id}, tell)
            for session_id in command["session_ids"]
        ]
        return await asyncio.gather(*(store.save(result.to_state()) for store in stores))

    async def open(self, command: Json, _: Tell) -> int:
        """Open the database, which makes its tables where there are none."""
        session = Session(command["session_id"], connection_string=command["database"])
        return len(await session.get_items())

    async def names(self, *_: object) -> Json:
        """Return what the package exports, and which of it are its errors."""
        exported = {name: getattr(timestep, name) for name in timestep.__all__}
        errors = [
            name
            for name, value in exported.items()
            if isinstance(value, type) and issubclass(value, timestep.TimestepError)
        ]
        return {"exports": list(exported), "errors": errors}

    async def _run(self, command: Json, tell: Tell, run_input: Any, **options: Any) -> Any:
        scenario = command["scenario"]
        session = Session(command["session_id"], connection_string=command["database"])
        provider = OpenAIProvider(
            api_key=f"test-{command['script']}",
            base_url=command["base_url"],
            use_responses=scenario.get("api") != "chat_completions",
        )
        return await run_agent(
            self._agent(command, tell),
            run_input,
            session if scenario.get("session") else None,
            command.get("stream", False),
            model_provider=provider,
            run_config=_run_config(scenario),
            **options,
        )

    def _store(self, command: Json, tell: Tell) -> RunStateStore:
        return RunStateStore(
            self._agent(command, tell),
            command["session_id"],
            command["database"],
            **serializers(command["scenario"]),
        )

    def _agent(self, command: Json, tell: Tell) -> Any:
        def record(tool: str, arguments: str, call_id: str) -> None:
            tell({"event": "executed", "tool": tool, "arguments": arguments, "call_id": call_id})

        return build_agents(command["scenario"], record, self._mcp_servers)

    async def _connect(self, command: Json) -> None:
        for name, server in local_mcp_servers(command.get("scenario", {"agents": {}})).items():
            if name not in self._mcp_servers:
                self._mcp_servers[name] = await self._open_servers.enter_async_context(server)


def _run_config(scenario: Json) -> RunConfig:
    trace: Json | None = scenario.get("trace")
    return RunConfig(tracing_disabled=True) if trace is None else RunConfig(**trace)


def _start_options(scenario: Json) -> Json:
    return {**scenario.get("options", {}), "context": build_context(scenario)}


def _decide(state: State, command: Json) -> None:
    """Apply the decisions, each to the interruption of its call."""
    waiting = {_call_id(item.raw_item): item for item in state.get_interruptions()}
    for decision in command.get("decisions", []):
        item = waiting[decision["call"]]
        always = decision.get("always", False)
        if decision["approve"]:
            state.approve(item, always_approve=always)
        else:
            message = decision.get("message")
            state.reject(item, always_reject=always, rejection_message=message)
    if command.get("add_input"):
        state.add_input(command["add_input"])


def _report(result: Any, version: int | None = None) -> Json:
    usage = result.context_wrapper.usage
    return {
        "version": version,
        "turn": _turn(result.to_state()),
        "final_output": result.final_output,
        "last_agent": result.last_agent.name,
        "interruptions": [
            {
                "call_id": _call_id(item.raw_item),
                "tool": item.name,
                "agent": item.agent.name,
            }
            for item in result.interruptions
        ],
        "usage": {
            "requests": usage.requests,
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "total_tokens": usage.total_tokens,
            "input_tokens_details": _numbers(usage.input_tokens_details.model_dump()),
            "output_tokens_details": _numbers(usage.output_tokens_details.model_dump()),
        },
    }


def _turn(state: State) -> int:
    return state.to_json(context_serializer=lambda _: {})["current_turn"]


def _numbers(details: Json) -> Json:
    return {name: count for name, count in sorted(details.items()) if count}


def _call_id(raw: Any) -> str:
    fields = cast("Json", raw if isinstance(raw, dict) else raw.model_dump())
    return fields.get("call_id") or fields["id"]


if __name__ == "__main__":
    set_trace_processors([])
    fork_when_asked()
    asyncio.run(Driver().serve())
