"""An agent that counts: one trivial tool a turn, a model in this process that takes no time.

Needs nothing but the Agents SDK, so that others can be measured with the very same work.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from agents import Agent, Model, ModelResponse, Usage, function_tool
from openai.types.responses import (
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
)


class CountingModel(Model):
    """Calls the tool until it has been asked so many times.

    Args:
        turns: How many answers there are; the last one is a text.
        latency: Seconds that an answer takes (0).
        before: Called with the number of the answer before it is given (None).
    """

    def __init__(
        self,
        turns: int,
        latency: float = 0.0,
        before: Callable[[int], Awaitable[None]] | None = None,
    ) -> None:
        self.turns = turns
        self.latency = latency
        self.before = before

    async def get_response(
        self,
        system_instructions: str | None,  # noqa: ARG002 - the SDK's name
        input: str | list[Any],  # noqa: A002 - the SDK's name
        *_: Any,
        **__: Any,
    ) -> ModelResponse:
        number = turn_of(input)
        if self.before:
            await self.before(number)
        if self.latency:
            await asyncio.sleep(self.latency)
        output = _text() if number == self.turns else _call(number)
        usage = Usage(requests=1, input_tokens=10, output_tokens=1, total_tokens=11)
        return ModelResponse(output=[output], usage=usage, response_id=None)

    def stream_response(self, *_: Any, **__: Any) -> AsyncIterator[Any]:
        raise NotImplementedError("the benchmarks do not stream")


def turn_of(given: str | list[Any]) -> int:
    """Return which answer is asked for, from 1: the last tool output tells."""
    last = {} if isinstance(given, str) else given[-1]
    return int(last["call_id"][1:]) + 1 if last.get("type") == "function_call_output" else 1


@function_tool
async def add_one(number: int) -> str:
    return str(number + 1)


def counter(turns: int, **options: Any) -> Agent[Any]:
    """Return an agent that ends after so many turns."""
    return Agent(
        name=f"counter-{turns}",
        instructions="Count.",
        model=CountingModel(turns, **options),
        tools=[add_one],
    )


def _call(number: int) -> ResponseFunctionToolCall:
    return ResponseFunctionToolCall(
        type="function_call",
        id=f"fc_{number}",
        call_id=f"c{number}",
        name="add_one",
        arguments=f'{{"number":{number}}}',
        status="completed",
    )


def _text() -> ResponseOutputMessage:
    text = ResponseOutputText(type="output_text", text="done", annotations=[])
    return ResponseOutputMessage(
        id="msg_done", type="message", role="assistant", status="completed", content=[text]
    )
