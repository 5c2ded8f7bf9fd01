"""Run an agent, from its input or from a saved state, and leave nothing half-done.

A state that was saved or loaded is claimed before it runs (`timestep.run_state.claim`). Where the
run stops decides what becomes of the claim:

- finished: the saved version is done;
- paused again, or stopped by an error: the state it stopped in is saved as the next version;
- the process died: the claim runs out, and the version can be resumed again.
"""

import asyncio
import dataclasses
import inspect
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypedDict, TypeVar, Unpack, cast

from agents import (
    Agent,
    ModelProvider,
    MultiProvider,
    OutputGuardrailTripwireTriggered,
    RunConfig,
    RunErrorHandlers,
    RunHooks,
    Runner,
    RunResult,
    RunResultStreaming,
    RunState,
    TResponseInputItem,
)
from agents.memory import Session as SessionProtocol

from timestep.models.default import default_provider
from timestep.run_state.claim import Claim, lost
from timestep.run_state.progress import Progress, Turns
from timestep.run_state.store import SavedVersion, saved_version
from timestep.session import writing_under_claim

logger = logging.getLogger("timestep")

RunInput = str | list[TResponseInputItem] | RunState[Any, Any]
SDKResult = RunResult | RunResultStreaming
ResultProcessor = Callable[[Any], Any]
_AnyResult = TypeVar("_AnyResult", RunResult, RunResultStreaming)


class RunOptions(TypedDict, total=False):
    """What `Runner.run` of the SDK takes beside input and session, with its own defaults."""

    context: Any
    max_turns: int | None
    hooks: RunHooks[Any] | None
    run_config: RunConfig | dict[str, Any] | None
    error_handlers: RunErrorHandlers[Any] | None
    previous_response_id: str | None
    auto_previous_response_id: bool
    conversation_id: str | None


async def default_result_processor(result: _AnyResult) -> _AnyResult:
    """Consume the stream, if there is one, and return the result when the run has ended.

    Raises:
        Exception: What the run raised, unchanged.
    """
    if isinstance(result, RunResultStreaming):
        async for _ in result.stream_events():
            pass
    return result


async def run_agent(
    agent: Agent[Any],
    run_input: RunInput,
    session: SessionProtocol | None = None,
    stream: bool = False,
    result_processor: ResultProcessor | None = default_result_processor,
    model_provider: ModelProvider | None = None,
    **options: Unpack[RunOptions],
) -> Any:
    """Run the agent and return the SDK's own result.

    A state that was saved or loaded with `RunStateStore` is claimed first, so that it is resumed
    once; when the run pauses again or fails, the state it stopped in is saved by itself.

    Args:
        agent: The agent to start with.
        run_input: A text, Responses API items, or a loaded state.
        session: Any session of the SDK or `timestep.Session`; history is read from it and new
            items are added (None: no history).
        stream: Whether the model's answer is streamed (False).
        result_processor: Called with the result, awaited if it is awaitable. What it returns is
            returned, or the result where it returns None. None skips it: a streamed result comes
            back while the run goes on (`default_result_processor`).
        model_provider: Where model names lead. By default the run config's own, else
            `MultiModelProvider()`, for which `ollama/…` is Ollama and the rest OpenAI (None).
        **options: What the SDK's `Runner.run` takes: `context`, `max_turns`, `hooks`,
            `run_config`, `error_handlers`, `previous_response_id`, `auto_previous_response_id`,
            `conversation_id`.

    Returns:
        `RunResult`, or `RunResultStreaming` with `stream`.

    Raises:
        StateConflictError: Another process resumed this saved state first, or took it over.
        Exception: Errors of the SDK, the model client and the tools, unchanged.
    """
    options["run_config"] = _configured(options.get("run_config"), model_provider)
    run = Runner.run_streamed if stream else Runner.run
    start = partial(run, agent, run_input, session=session)
    saved = saved_version(run_input) if isinstance(run_input, RunState) else None
    if saved is None:
        return await _processed(await _started(partial(start, **options)), result_processor)
    state = cast("RunState[Any, Any]", run_input)
    claimed = await saved.store.claim(saved, state)
    if stream:
        turns = Turns(state)
        return await _resume_streamed(partial(start, **options), claimed, turns, result_processor)
    progress = Progress(state, options.get("hooks"))
    options["hooks"] = progress
    async with _resuming(claimed, progress):
        result = cast("RunResult", await cast("Awaitable[Any]", start(**options)))
    await claimed.store.settle(result.to_state(), claimed)
    return await _processed(result, result_processor)


@asynccontextmanager
async def _resuming(saved: SavedVersion, progress: Progress) -> AsyncGenerator[None]:
    """Hold the claim while the block runs; where it fails, save the state that it stopped in."""
    claim = cast("Claim", saved.claim)
    task = cast("asyncio.Task[Any]", asyncio.current_task())
    try:
        with writing_under_claim(claim.token), claim.renewed(on_loss=task.cancel):
            yield
    except BaseException as error:
        if claim.is_lost and isinstance(error, asyncio.CancelledError):
            task.uncancel()
            raise lost(claim) from None
        await _settle_failed(progress.state(), saved, error)
        raise


async def _resume_streamed(
    start: Callable[[], Any],
    saved: SavedVersion,
    turns: Turns,
    processor: ResultProcessor | None,
) -> Any:
    claim = cast("Claim", saved.claim)
    with writing_under_claim(claim.token):
        result = cast("RunResultStreaming", start())
    settled = asyncio.create_task(_settle_when_ended(result, saved, turns))
    _settling.add(settled)
    settled.add_done_callback(_settling.discard)
    if processor is None:
        return result
    try:
        processed = await _processed(result, processor)
    except BaseException:
        if result.is_complete:
            await settled
        if claim.is_lost:
            raise lost(claim) from None
        raise
    if result.is_complete:
        await settled
    return processed


# The event loop holds tasks only weakly.
_settling: set[asyncio.Task[None]] = set()


async def _settle_when_ended(result: RunResultStreaming, saved: SavedVersion, turns: Turns) -> None:
    """Wait for the run behind a stream to end and let go of its claim."""
    run = cast("asyncio.Task[Any]", result.run_loop_task)
    with cast("Claim", saved.claim).renewed(on_loss=result.cancel):
        await asyncio.wait([run])
    error = asyncio.CancelledError() if run.cancelled() else run.exception()
    state = turns.counted(result.to_state())
    if error is None:
        await saved.store.settle(state, saved)
    else:
        await _settle_failed(state, saved, error)


async def _settle_failed(
    state: RunState[Any, Any], saved: SavedVersion, error: BaseException
) -> None:
    """Save the state a failed run stopped in: calls that ran must not run again.

    A run whose output was refused by a guardrail has ended.
    """
    try:
        if isinstance(error, OutputGuardrailTripwireTriggered):
            await cast("Claim", saved.claim).end()
        else:
            await saved.store.settle(state, saved)
    except Exception:
        logger.exception(
            "session %s: the state in which the run failed could not be saved; version %s can be"
            " resumed again when its claim has run out",
            saved.session_id,
            saved.version,
        )


async def _started(start: Callable[[], Any]) -> SDKResult:
    result = start()
    return await result if inspect.isawaitable(result) else result


async def _processed(result: SDKResult, processor: ResultProcessor | None) -> Any:
    if processor is None:
        return result
    answer: Any = processor(result)
    if inspect.isawaitable(answer):
        answer = await answer
    return result if answer is None else answer


def _configured(
    run_config: RunConfig | dict[str, Any] | None, model_provider: ModelProvider | None
) -> RunConfig:
    """Return the run config with the provider that the caller chose, or ours."""
    if isinstance(run_config, dict):
        run_config = RunConfig(**run_config)
    if model_provider is not None:
        return dataclasses.replace(run_config or RunConfig(), model_provider=model_provider)
    if run_config is None or type(run_config.model_provider) is MultiProvider:
        return dataclasses.replace(run_config or RunConfig(), model_provider=default_provider())
    return run_config
