"""Failures of a model call, told alike for every provider and in both languages.

The classes stay those of the model client and of the SDK, since the SDK decides by them what
may be tried again. Only the words change.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import aclosing, contextmanager
from typing import cast

import httpx2
from agents import ModelBehaviorError
from agents.items import TResponseStreamEvent
from openai import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    AuthenticationError,
    NotFoundError,
)

from timestep.models.destination import Destination


@contextmanager
def broken_answers() -> Generator[None]:
    """Raise a cut connection and malformed JSON as the classes that callers know.

    Raises:
        APIConnectionError: The connection broke in the middle of the answer.
        ModelBehaviorError: The answer is no JSON.
    """
    try:
        yield
    except APIConnectionError as error:
        if isinstance(error.__cause__, httpx2.ReadError | httpx2.RemoteProtocolError):
            _say(error, "The model's answer was cut in the middle.")
        raise
    except json.JSONDecodeError as error:
        raise ModelBehaviorError(f"The model's answer is no JSON: {error}") from error


async def whole_answer(
    events: AsyncIterator[TResponseStreamEvent],
) -> AsyncGenerator[TResponseStreamEvent, None]:
    """Pass the events of one answer on, with breaks told as `broken_answers` tells them."""
    with broken_answers():
        async with aclosing(cast(AsyncGenerator[TResponseStreamEvent, None], events)) as answer:
            async for event in answer:
                yield event


@contextmanager
def ollama_words(destination: Destination) -> Generator[None]:
    """Say what to do about an error of an Ollama host; the error stays the same object."""
    try:
        yield
    except APIError as error:
        if words := _words(error, destination):
            _say(error, words)
        raise


def _say(error: APIError, words: str) -> None:
    """Put words before the error's own and what the server said as plain text."""
    said = f": {error.body}" if isinstance(error.body, str) else ""
    error.message = f"{words} ({error.message}{said})"
    error.args = (error.message,)


def _words(error: APIError, destination: Destination) -> str | None:
    root, model = destination.root, destination.model
    match error:
        case APITimeoutError():
            return f"Ollama at {root} did not answer in time."
        case APIConnectionError() if isinstance(error.__cause__, httpx2.ConnectError):
            cloud = f", or use Ollama Cloud: '{model}-cloud' with OLLAMA_API_KEY set"
            return (
                f"Nothing answers at {root}. Start Ollama there, set OLLAMA_HOST or base_url to "
                f"where it runs{'' if destination.cloud else cloud}."
            )
        case NotFoundError() if "page not found" in str(error.body):
            return f"The Ollama at {root} is too old for agents: update it to 0.22 or newer."
        case NotFoundError() if destination.cloud:
            return f"Ollama Cloud has no model {model!r}: see https://ollama.com/search?c=cloud."
        case NotFoundError():
            return f"The Ollama at {root} has no model {model!r}: run `ollama pull {model}` there."
        case AuthenticationError() if destination.cloud:
            return "Ollama Cloud refused the key: check OLLAMA_API_KEY or api_key."
        case AuthenticationError():
            return f"Ollama at {root} refused the call: run `ollama signin` there, or pass api_key."
        case _:
            return None
