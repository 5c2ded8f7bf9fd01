"""Ollama's context: small by default, and cut without a word when a prompt is too long."""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from agents import ModelBehaviorError
from openai import AsyncOpenAI, OpenAIError

from timestep.errors import ConfigurationError
from timestep.models.items import ModelInput

SMALL_CONTEXT = 16_384  # tokens; below it, tools and a few turns already fill the prompt
_ROOM = (
    "Raise it with OllamaModelProvider(num_ctx=...) or with OLLAMA_CONTEXT_LENGTH where Ollama runs"
)
# Every tokenizer spends at least one token on each of these, so their number can prove a cut.
_WORD = re.compile(r"[^\x00-\x20!\"#$%&()*+,\-./:;<=>?@\[\\\]^`{|}~]+")
_logger = logging.getLogger("timestep")


def check_num_ctx(num_ctx: int | None) -> int | None:
    """Return the wanted context in tokens, or raise ConfigurationError when it is none."""
    if num_ctx is None or (type(num_ctx) is int and num_ctx > 0):
        return num_ctx
    raise ConfigurationError(
        f"num_ctx is {num_ctx!r}; expected a whole number of tokens above 0, for example 32768."
    )


def name_with_context(model: str, num_ctx: int | None) -> str:
    """Return what a model is called on the server when it runs with a context of its own."""
    return model if num_ctx is None else f"{model}-ctx{num_ctx}"


async def create_model(client: AsyncOpenAI, root: str, model: str, num_ctx: int) -> None:
    """Create that model on the server; it differs from the other only in its context.

    Raises:
        NotFoundError: The server does not have the model. It would otherwise load it from far
            away, which may take an hour.
    """
    await client.post(f"{root}/api/show", body={"model": model}, cast_to=object)
    name = name_with_context(model, num_ctx)
    body = {"model": name, "from": model, "parameters": {"num_ctx": num_ctx}, "stream": False}
    await client.post(f"{root}/api/create", body=body, cast_to=object)


async def loaded_context(client: AsyncOpenAI, root: str, model: str) -> int | None:
    """Return the context in tokens with which the server loaded the model, if it tells.

    A context below 16,384 tokens is logged as a warning.
    """
    try:
        listed = await client.with_options(timeout=5, max_retries=0).get(
            f"{root}/api/ps", cast_to=object
        )
    except OpenAIError as error:
        _logger.debug("%s does not tell which models are loaded: %s", root, error)
        return None
    context = _context_of(model, listed)
    if context is not None and context < SMALL_CONTEXT:
        _logger.warning(
            "Ollama at %s runs %s with a context of %d tokens, and it drops what does not fit. %s.",
            root,
            model,
            context,
            _ROOM,
        )
    return context


def _context_of(model: str, listed: object) -> int | None:
    loaded = cast("Mapping[str, Any]", listed if isinstance(listed, Mapping) else {})
    for entry in cast("list[Mapping[str, Any]]", loaded.get("models") or []):
        if entry.get("name") in (model, f"{model}:latest"):
            return cast("int | None", entry.get("context_length"))
    return None


@dataclass(frozen=True)
class Size:
    """How much a prompt is, at least in tokens (`words`) and at most (`letters`)."""

    words: int
    letters: int


def refuse_cut(
    *, model: str, prompt: Size, input_tokens: int, output_tokens: int, context: int | None
) -> None:
    """Raise ModelBehaviorError when the model cannot have read or written everything.

    Args:
        model: The model's name, for the error.
        prompt: How much it was given.
        input_tokens: How many tokens of it the server says it read.
        output_tokens: How many tokens the answer has.
        context: The context in tokens, or None where it is unknown and nothing can be said.
    """
    if context is None or not input_tokens:
        return
    if prompt.words > input_tokens and prompt.letters > context:
        raise ModelBehaviorError(
            f"Ollama cut the prompt: {model} read {input_tokens} tokens of at least "
            f"{prompt.words}; its context is {context} tokens. {_ROOM}, or send less."
        )
    if input_tokens + output_tokens >= context:
        raise ModelBehaviorError(
            f"The context of {model} is full: {input_tokens} tokens read and {output_tokens} "
            f"written of {context}, so the answer may be cut. {_ROOM}, or send less."
        )


def prompt_size(instructions: str | None, model_input: ModelInput) -> Size:
    """Return how much the model is given."""
    texts = [instructions or "", *_texts(model_input)]
    words = sum(len(_WORD.findall(text)) for text in texts)
    return Size(words=words, letters=sum(map(len, texts)))


def _texts(value: object) -> list[str]:
    """Collect what templates put into a prompt; earlier thinking is left out by most of them."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [text for entry in cast("list[object]", value) for text in _texts(entry)]
    if not isinstance(value, Mapping):
        return []
    item = cast("Mapping[str, object]", value)
    if item.get("type") == "reasoning":
        return []
    return [
        text for key in ("content", "text", "arguments", "output") for text in _texts(item.get(key))
    ]
