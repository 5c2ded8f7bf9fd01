"""The agents of all durable runs here, as Python defines them. company.ts is the same.

Tools write what they do to a journal of their own: a line as a call begins, a line as it ends.
"""

import asyncio
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents import Agent, FunctionTool, handoff
from agents.tool_context import ToolContext
from timestep import idempotency_key, mark_at_most_once

SPEC = json.loads((Path(__file__).parent / "company.json").read_text())
PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
    "additionalProperties": False,
}


@dataclass(kw_only=True)
class Company:
    """Makes agents whose tools write to one journal.

    Attributes:
        journal: The file that tools write to. A call of `wait` ends when a file of the same name
            with `.go` exists.
        work_seconds: How long a call of a tool takes, for each name (0).
        inside: Called in the middle of each call, with the place of the call in its run.
    """

    journal: Path
    work_seconds: dict[str, float]
    inside: Callable[[str], None]

    def agents(self, name: str) -> dict[str, Agent[Any]]:
        """Return a set of agents with names of their own."""
        made = {
            key: Agent[Any](
                name=f"{key} {name}",
                instructions=f"You are {key}.",
                model="gpt-5",
                tools=[self._tool(tool) for tool in spec["tools"]],
            )
            for key, spec in SPEC["agents"].items()
        }
        for key, spec in SPEC["agents"].items():
            made[key].handoffs = [
                handoff(
                    made[target],
                    tool_name_override=f"transfer_to_{target}",
                    tool_description_override=f"Hand over to {target}.",
                )
                for target in spec.get("handoffs", [])
            ]
            made[key].tools += [
                made[target].as_tool(tool_name=tool, tool_description="Finds out.")
                for tool, target in spec.get("agents_as_tools", {}).items()
            ]
        return made

    def _tool(self, name: str) -> FunctionTool:
        spec = SPEC["tools"][name]

        async def execute(context: ToolContext[Any], arguments: str) -> str:
            key = idempotency_key(context)
            self._note("start", name, key)
            self.inside(key[key.index("/") :])
            await asyncio.sleep(self.work_seconds.get(name, 0))
            if spec.get("waits"):
                await self._told_to_go()
            self._note("end", name, key)
            return spec["text"].format(**json.loads(arguments))

        tool = FunctionTool(
            name=name,
            description=f"Does {name}.",
            params_json_schema=PARAMETERS,
            on_invoke_tool=execute,
            needs_approval=spec.get("needs_approval", False),
        )
        if not spec.get("at_most_once"):
            return tool
        return mark_at_most_once(tool, when_unknown=spec.get("when_unknown", "tell"))

    def _note(self, what: str, tool: str, key: str) -> None:
        entry = {"what": what, "tool": tool, "key": key, "pid": os.getpid(), "at": time.time()}
        with self.journal.open("a") as file:
            file.write(json.dumps(entry) + "\n")

    async def _told_to_go(self) -> None:
        go = self.journal.with_name(f"{self.journal.name}.go")
        while not go.exists():  # noqa: ASYNC110 - another process makes the file
            await asyncio.sleep(0.01)
