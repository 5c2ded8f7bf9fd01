"""A process that executes durable runs, in Python, and may kill itself. worker.ts is the same.

Every model call says in a header which script answers it, `<run>-<outputs>`: the name in brackets
in the last message of a user, and how many outputs of calls came after it. So an answer depends
on what is asked alone, however often it is asked and whoever asks.
"""

import asyncio
import json
import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import timestep
from agents import Agent, OpenAIProvider, set_trace_processors
from openai import AsyncOpenAI, DefaultAsyncHttpxClient
from timestep import RunHandle, Session, WorkflowResult

from ..serving import Command, Json, Tell, fork_when_asked, serve
from .company import Company
from .moments import Moments


class Worker:
    """Carries out commands."""

    def __init__(self) -> None:
        self.moments = Moments()
        self.commands: dict[str, Command] = {
            "launch": self.launch,
            "run": self.run,
            "queue": self.queue,
            "wait": self.wait,
            "decide": self.decide,
            "decide_one": self.decide_one,
            "resume": self.resume,
            "by_state": self.by_state,
            "cancel": self.cancel,
            "limit": self.limit,
            "schedule": self.schedule,
            "end_schedule": self.end_schedule,
            "schema": self.schema,
        }

    async def launch(self, command: Json, _: Tell) -> None:
        """Begin to execute durable runs."""
        os.environ.update(command["environment"])
        self.moments.last = command.get("kill", "")
        self.moments.watch_database()
        self.moments.watch_pipelines()
        self.company = Company(
            journal=Path(command["journal"]),
            work_seconds=command.get("work_seconds", {}),
            inside=lambda place: self.moments.pass_by(f"inside {place}"),
        )
        self.provider = OpenAIProvider(openai_client=_client(command["base_url"]))
        await timestep.configure_dbos(
            agents=[self.agent(name) for name in command.get("companies", [])],
            model_provider=self.provider,
            lease_seconds=command["lease_seconds"],
            queues=command.get("queues", {}),
        )
        await timestep.ensure_dbos_launched()

    def agent(self, company: str) -> Agent[Any]:
        return self.company.agents(company)["triage"]

    async def run(self, command: Json, _: Tell) -> Json:
        """Run, or find the run and wait for it; approve what it asks for."""
        session = command.get("session")
        result = await timestep.run_agent_workflow(
            self.agent(command["company"]),
            f"Please handle [{command['run']}].",
            Session(session) if session else None,
            command.get("stream", False),
            model_provider=self.provider,
            workflow_id=command["run"],
            timeout_seconds=command.get("timeout_seconds"),
            approval_seconds=command.get("approval_seconds"),
        )
        while command.get("approve") and result.status == "interrupted":
            await self._decide_all(command["run"], approve=True, decided_by="worker")
            result = await (await timestep.resume_run(command["run"])).get_result()
        return self._report(result)

    async def queue(self, command: Json, _: Tell) -> list[str]:
        """Put runs in a queue, for a language."""
        agent = self.agent(command["company"])
        return [
            (
                await timestep.queue_agent_workflow(
                    agent,
                    f"Please handle [{run}].",
                    Session(run),
                    workflow_id=run,
                    runtime=command["runtime"],
                )
            ).run_id
            for run in command["runs"]
        ]

    async def wait(self, command: Json, _: Tell) -> Json:
        """Wait for what a run comes to."""
        self.know(command)
        return self._report(await RunHandle(command["run"]).get_result())

    async def decide(self, command: Json, _: Tell) -> list[Json]:
        """Decide on all that a run waits for, and let it lie."""
        return await self._decide_all(command["run"], **command["decision"])

    async def decide_one(self, command: Json, _: Tell) -> None:
        """Decide on one call."""
        await timestep.decide_approval(command["approval_id"], **command["decision"])

    async def resume(self, command: Json, _: Tell) -> Json:
        """Let a run go on, here if its agent is named, and wait for what it comes to."""
        self.know(command)
        return self._report(await (await timestep.resume_run(command["run"])).get_result())

    async def by_state(self, command: Json, _: Tell) -> Json:
        """Decide on the state of a paused run in memory and go on from it."""
        self.know(command)
        state = (await RunHandle(command["run"]).get_result()).to_state()
        for item in state.get_interruptions():
            if command["approve"]:
                state.approve(item)
            else:
                state.reject(item, rejection_message=command.get("message"))
        result = await timestep.run_agent_workflow(
            self.agent(command["company"]), state, model_provider=self.provider
        )
        return self._report(result)

    async def cancel(self, command: Json, _: Tell) -> bool:
        """End a run."""
        return await timestep.cancel_run(command["run"], reason="cancelled by a test")

    async def limit(self, command: Json, _: Tell) -> None:
        """Limit model calls, everywhere."""
        limit = timestep.ModelRateLimit(
            requests=command.get("requests"),
            tokens=command.get("tokens"),
            per=timedelta(seconds=command["seconds"]),
        )
        await timestep.set_rate_limit(command["name"], limit)

    async def schedule(self, command: Json, _: Tell) -> str:
        """Start a run every second."""
        return await timestep.create_scheduled_agent_workflow(
            crontab="* * * * * *",
            agent=self.agent(command["company"]),
            input_items=f"Please handle [{command['name']}].",
            name=command["name"],
        )

    async def end_schedule(self, command: Json, _: Tell) -> bool:
        """End a schedule."""
        return await timestep.delete_schedule(command["name"])

    async def schema(self, command: Json, _: Tell) -> Json:
        """Return the tools of all agents as the model is told of them."""
        agents = self.company.agents(command["company"]).values()
        return {
            agent.name: {tool.name: cast("Any", tool).params_json_schema for tool in agent.tools}
            for agent in agents
        }

    def know(self, command: Json) -> None:
        """Make the agents of a company known to this process, if one is named."""
        if "company" in command:
            timestep.configure_dbos(agents=[self.agent(command["company"])])

    async def _decide_all(self, run: str, **decision: Any) -> list[Json]:
        approvals = await timestep.list_approvals(run_id=run)
        decided = [
            await timestep.decide_approval(approval.approval_id, **decision)
            for approval in approvals
        ]
        return [{"tool": each.tool, "status": each.status} for each in decided]

    def _report(self, result: WorkflowResult) -> Json:
        usage = result.usage
        return {
            "status": result.status,
            "output": result.final_output,
            "usage": [usage.requests, usage.input_tokens, usage.output_tokens, usage.total_tokens],
            "interruptions": [cast("Any", item.raw_item).call_id for item in result.interruptions],
            "moments": self.moments.seen,
        }


def _client(base_url: str) -> AsyncOpenAI:
    async def name_script(request: Any) -> None:
        request.headers["X-Timestep-Script"] = script_of(json.loads(request.content)["input"])
        request.headers["X-Worker"] = str(os.getpid())

    # whoever asks twice shall be seen to
    return AsyncOpenAI(
        api_key="test-named-by-a-header",
        base_url=base_url,
        max_retries=0,
        http_client=DefaultAsyncHttpxClient(event_hooks={"request": [name_script]}),
    )


def script_of(items: list[Json]) -> str:
    """Return the name of the script that answers a request."""
    last = max(place for place, item in enumerate(items) if item.get("role") == "user")
    named = re.search(r"\[([\w.-]+)\]", json.dumps(items[last]["content"]))
    assert named, "no message of a user names a run in brackets"
    outputs = [item for item in items[last:] if item.get("type") == "function_call_output"]
    return f"{named[1]}-{len(outputs)}"


if __name__ == "__main__":
    set_trace_processors([])
    fork_when_asked()
    asyncio.run(serve(Worker().commands))
