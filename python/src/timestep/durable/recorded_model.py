"""Models whose answers are recorded, or taken from the record."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, cast

from agents import Model, ModelProvider, ModelResponse, Usage
from agents.usage import deserialize_usage, serialize_usage
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseOutputItem,
    ResponseUsage,
)
from pydantic import TypeAdapter, ValidationError

from timestep.durable.call_cost import call_cost
from timestep.durable.journal import Step, now
from timestep.durable.loop import Loop, current_loop
from timestep.durable.rate_limit import paced
from timestep.durable.registry import model_name
from timestep.models.routing import OpenAIModel
from timestep.run_state.items import wire_items
from timestep.run_state.record import present
from timestep.run_state.usage import native_usage, stored_usage

_OUTPUT_ITEM: TypeAdapter[Any] = TypeAdapter(ResponseOutputItem)


class RecordedProvider(ModelProvider):
    """The caller's provider, whose models are recorded."""

    def __init__(self, inner: ModelProvider) -> None:
        self._inner = inner
        self._models: dict[int, RecordedModel] = {}

    def get_model(self, model_name: str | None) -> Model:
        """Return the provider's model, recorded."""
        model = self._inner.get_model(model_name)
        if id(model) not in self._models:
            self._models[id(model)] = RecordedModel(model, model_name or "default")
        return self._models[id(model)]

    async def aclose(self) -> None:
        """Leave the caller's provider open: it is not ours to close."""


class RecordedModel(Model):
    """A model of the caller. Outside of a durable run it is just that model."""

    def __init__(self, inner: Model, name: str | None = None) -> None:
        self.inner = inner
        self.recorded_name = name or model_name(inner)

    @property
    def __class__(self) -> type:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The class of the caller's model: the SDK asks models for it."""
        return type(self.inner)

    def __getattr__(self, name: str) -> Any:
        """Return what the caller's model has."""
        return getattr(self.inner, name)

    async def close(self) -> None:
        """Close the caller's model."""
        await self.inner.close()

    def get_retry_advice(self, request: Any) -> Any:
        """Return the advice of the caller's model."""
        return self.inner.get_retry_advice(request)

    async def _cleanup_on_run_end(self, owner: object) -> None:
        await self.inner._cleanup_on_run_end(owner)  # noqa: SLF001 - the SDK's own hook, passed on  # pyright: ignore[reportPrivateUsage]

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        """Return the recorded response, or ask the model and record what it says."""
        loop = current_loop.get()
        if loop is None:
            return await self.inner.get_response(*args, **kwargs)
        loop.must_stay_whole |= _is_told_of_the_end(self.inner)
        if (step := _recorded(loop)) is not None:
            return response_of(step)
        started = now()
        key = loop.next_model_key()
        try:
            async with paced(loop.execution.process, self.recorded_name, args, kwargs) as call:
                response = await self.inner.get_response(*args, **kwargs)
                call.used(response.usage)
        except BaseException:
            loop.journal.forget_question(key)
            raise
        self._record(loop, response, started)
        if loop.is_watched:
            await loop.journal.settled()
        return response

    async def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        """Yield the recorded response at once, or the model's events; its end is recorded."""
        loop = current_loop.get()
        if loop is None:
            async for event in self.inner.stream_response(*args, **kwargs):
                yield event
            return
        if (step := _recorded(loop)) is not None:
            yield _completed_event(response_of(step))
            return
        started = now()
        key = loop.next_model_key()
        finished: list[Any] = []
        try:
            async with paced(loop.execution.process, self.recorded_name, args, kwargs) as call:
                async for event in self.inner.stream_response(*args, **kwargs):
                    if event.type == "response.output_item.done":
                        finished.append(event.item)
                    if isinstance(event, ResponseCompletedEvent):
                        response = _streamed_response(event.response, finished)
                        call.used(response.usage)
                        self._record(loop, response, started)
                        await loop.journal.settled()
                    yield event
        finally:
            loop.journal.forget_question(key)

    def _record(self, loop: Loop, response: ModelResponse, started: datetime) -> None:
        usage = response.usage
        loop.journal.record(
            Step(
                key=loop.next_model_key(),
                kind="model",
                agent=loop.agent,
                name=self.recorded_name,
                body=_body(response),
                tokens=(usage.input_tokens, usage.output_tokens, usage.total_tokens),
                cost=lambda: call_cost(self.recorded_name, self.inner, usage),
            ),
            started,
        )
        loop.ordinal += 1


def response_of(step: Step) -> ModelResponse:
    """Return the response of a recorded model call."""
    body = cast("dict[str, Any]", step.body)
    return ModelResponse(
        output=[_output_item(item) for item in body["output"]],
        usage=deserialize_usage(native_usage(body["usage"])),
        response_id=body.get("response_id"),
        request_id=body.get("request_id"),
    )


def _is_told_of_the_end(model: Model) -> bool:
    """Return whether a model does something when the SDK's loop ends."""
    called = model._model if isinstance(model, OpenAIModel) else model  # noqa: SLF001 - the same package  # pyright: ignore[reportPrivateUsage]
    return type(called)._cleanup_on_run_end is not Model._cleanup_on_run_end  # noqa: SLF001 - the SDK's own hook  # pyright: ignore[reportPrivateUsage]


def _recorded(loop: Loop) -> Step | None:
    step = loop.journal.answer(loop.next_model_key(), agent=loop.agent, name="")
    if step is not None:
        loop.ordinal += 1
    return step


def _body(response: ModelResponse) -> dict[str, Any]:
    output = [
        item.model_dump(exclude_unset=True)
        if hasattr(item, "model_dump")
        else dict(cast("Any", item))
        for item in response.output
    ]
    return {
        "output": wire_items(output),
        "usage": stored_usage(serialize_usage(response.usage)),
        **present(response_id=response.response_id, request_id=response.request_id),
    }


def _output_item(item: dict[str, Any]) -> Any:
    try:
        return _OUTPUT_ITEM.validate_python(item)
    except ValidationError:
        return item  # of a kind that the installed client does not know: the SDK takes mappings too


def _streamed_response(response: Response, finished: list[Any]) -> ModelResponse:
    """Return what the SDK makes of the last event of a stream."""
    usage = Usage(requests=1)
    if response.usage is not None:
        usage = Usage(
            requests=1,
            input_tokens=response.usage.input_tokens,
            output_tokens=response.usage.output_tokens,
            total_tokens=response.usage.total_tokens,
            input_tokens_details=response.usage.input_tokens_details,
            output_tokens_details=response.usage.output_tokens_details,
        )
    return ModelResponse(
        output=response.output or finished,
        usage=usage,
        response_id=response.id,
        request_id=getattr(response, "_request_id", None),
    )


def _completed_event(response: ModelResponse) -> ResponseCompletedEvent:
    usage = response.usage
    return ResponseCompletedEvent(
        type="response.completed",
        sequence_number=0,
        response=Response.model_construct(
            id=response.response_id or "",
            object="response",
            output=response.output,
            status="completed",
            usage=ResponseUsage(
                input_tokens=usage.input_tokens,
                output_tokens=usage.output_tokens,
                total_tokens=usage.total_tokens,
                input_tokens_details=usage.input_tokens_details,
                output_tokens_details=usage.output_tokens_details,
            ),
        ),
    )
