"""One Ollama model: the SDK's own Responses model, and around it what Ollama needs."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from agents import (
    AgentOutputSchemaBase,
    Handoff,
    ModelBehaviorError,
    ModelResponse,
    ModelSettings,
    ModelTracing,
    OpenAIResponsesModel,
    Tool,
    Usage,
    UserError,
)
from agents.items import TResponseStreamEvent
from openai import AsyncOpenAI
from openai.types.responses import Response, ResponseCompletedEvent
from openai.types.responses.response_prompt_param import ResponsePromptParam

from timestep.models.context import (
    Size,
    create_model,
    loaded_context,
    name_with_context,
    prompt_size,
    refuse_cut,
)
from timestep.models.destination import Destination, is_cloud_name
from timestep.models.failures import ollama_words, whole_answer
from timestep.models.items import ModelInput, OwnIds, for_ollama
from timestep.models.schemas import handoffs_for_ollama, tools_for_ollama


class OllamaModel(OpenAIResponsesModel):
    """A model behind Ollama's `/v1/responses`."""

    def __init__(
        self, destination: Destination, client: AsyncOpenAI, num_ctx: int | None = None
    ) -> None:
        in_cloud = destination.cloud or is_cloud_name(destination.model)
        wanted = None if in_cloud else num_ctx
        super().__init__(model=name_with_context(destination.model, wanted), openai_client=client)
        self._destination = destination
        self._to_create = wanted
        self._context: int | None = None
        self._asked_for_context = destination.cloud

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        """Return the whole answer. It is read as a stream: Ollama's plain reply drops text."""
        events = self.stream_response(*args, **kwargs)
        final = [event.response async for event in events if event.type == "response.completed"]
        return _model_response(final[0])

    async def stream_response(
        self,
        system_instructions: str | None,
        input: ModelInput,  # noqa: A002 - the SDK's name
        model_settings: ModelSettings,
        tools: list[Tool],
        output_schema: AgentOutputSchemaBase | None,
        handoffs: list[Handoff[Any, Any]],
        tracing: ModelTracing,
        previous_response_id: str | None = None,
        conversation_id: str | None = None,
        prompt: ResponsePromptParam | None = None,
    ) -> AsyncIterator[TResponseStreamEvent]:
        """Yield the events of the answer.

        Raises:
            UserError: The call asks for something that Ollama would silently ignore.
            ModelBehaviorError: The answer or the prompt was cut, or there is no final answer.
        """
        _refuse_stored(previous_response_id, conversation_id, prompt)
        events = super().stream_response(
            system_instructions,
            for_ollama(input),
            model_settings,
            tools_for_ollama(tools),
            output_schema,
            handoffs_for_ollama(handoffs),
            tracing,
        )
        ids, finished = OwnIds(), False
        with ollama_words(self._destination):
            await self._create_model()
            async with aclosing(whole_answer(events)) as answer:
                async for event in answer:
                    ids.rename(event)
                    if isinstance(event, ResponseCompletedEvent):
                        finished = True
                        size = prompt_size(system_instructions, input)
                        await self._check(event.response, size, model_settings.max_tokens)
                    yield event
        if not finished:
            raise ModelBehaviorError(
                f"{self.model} at {self._destination.root} stopped without a final answer; "
                "what it said so far does not count."
            )

    async def _create_model(self) -> None:
        if self._to_create is None:
            return
        root, model = self._destination.root, self._destination.model
        await create_model(self._get_client(), root, model, self._to_create)
        self._to_create = None

    async def _check(self, response: Response, size: Size, max_tokens: int | None) -> None:
        if not self._asked_for_context:
            self._asked_for_context = True
            root = self._destination.root
            self._context = await loaded_context(self._get_client(), root, str(self.model))
        usage = response.usage
        if usage is None:
            return
        refuse_cut(
            model=str(self.model),
            prompt=size,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            context=self._context,
        )
        if max_tokens is not None and usage.output_tokens >= max_tokens:
            raise ModelBehaviorError(
                f"The answer of {self.model} reached max_tokens ({max_tokens}) and was cut there. "
                "Ollama calls such an answer complete."
            )


def _refuse_stored(previous: str | None, conversation: str | None, prompt: object) -> None:
    asked = {
        "previous_response_id": previous,
        "conversation_id": conversation,
        "prompt": prompt,
    }
    for name, value in asked.items():
        if value is not None:
            raise UserError(
                f"{name} is set, and Ollama stores nothing: it would answer without that "
                "part of the conversation. Send the whole input, or use a session."
            )


def _model_response(response: Response) -> ModelResponse:
    usage = Usage(requests=1)
    if counted := response.usage:
        usage.input_tokens, usage.output_tokens = counted.input_tokens, counted.output_tokens
        usage.total_tokens = counted.total_tokens
        usage.input_tokens_details = counted.input_tokens_details
        usage.output_tokens_details = counted.output_tokens_details
    return ModelResponse(output=response.output, usage=usage, response_id=response.id)
