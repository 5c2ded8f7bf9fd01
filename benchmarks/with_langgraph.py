"""The same work as a LangGraph graph whose every step is in PostgreSQL before the next begins."""

import asyncio
import json
import os
import sys
import uuid
from typing import Any

from langchain_core.messages import AIMessage, ToolMessage
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph import END, START, MessagesState, StateGraph
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool
from said import Calls, obey, say


def graph(turns: int, before: Calls | None) -> Any:
    """Return the graph: a model and its tool, in turns."""

    async def model(state: MessagesState) -> dict[str, Any]:
        last = state["messages"][-1]
        number = int(last.tool_call_id[1:]) + 1 if isinstance(last, ToolMessage) else 1
        if before:
            await before(number)
        if number == turns:
            return {"messages": [AIMessage("done")]}
        call = {"name": "add_one", "args": {"number": number}, "id": f"c{number}"}
        return {"messages": [AIMessage("", tool_calls=[call])]}

    async def tool(state: MessagesState) -> dict[str, Any]:
        [call] = state["messages"][-1].tool_calls
        return {"messages": [ToolMessage(str(call["args"]["number"] + 1), tool_call_id=call["id"])]}

    def next_node(state: MessagesState) -> str:
        return "tool" if state["messages"][-1].tool_calls else END

    built = StateGraph(MessagesState)
    built.add_node("model", model)
    built.add_node("tool", tool)
    built.add_edge(START, "model")
    built.add_conditional_edges("model", next_node, ["tool", END])
    built.add_edge("tool", "model")
    return built


async def main(turns: int, runs: int | None = None, stop_at: int | None = None) -> None:
    settings = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
    url = os.environ["PG_CONNECTION_URI"]
    async with AsyncConnectionPool(url, min_size=1, max_size=10, kwargs=settings) as pool:
        saver = AsyncPostgresSaver(pool)
        say("launch")
        await saver.setup()
        app = graph(turns, None if runs is None else Calls(stop_at)).compile(checkpointer=saver)

        async def run(given: Any, thread: str) -> None:
            config = {"configurable": {"thread_id": thread}, "recursion_limit": 2 * turns + 5}
            await app.ainvoke(given, config, durability="sync")

        given = {"messages": [("user", "go")]}
        if runs is None:
            await obey(lambda: run(given, str(uuid.uuid4())))
        elif stop_at:
            await asyncio.gather(*(run(given, f"run-{n}") for n in range(runs)))
        else:
            await asyncio.gather(*(run(None, f"run-{n}") for n in range(runs)))
        say("ended")
        await asyncio.Event().wait()


asyncio.run(main(**json.loads(sys.argv[1])))
