"""What a recorded model call cost."""

from agents import Model, Usage

from timestep.durable.registry import model_name
from timestep.models.cost import Price, price
from timestep.models.destination import is_cloud_name


def call_cost(name: str, model: Model, usage: Usage) -> Price:
    """Return what a call cost, by the price table of the day.

    Args:
        name: The model's name as the journal has it.
        model: The model, which is asked for its name where the agent gave none.
        usage: What the call used.
    """
    provider, model_id = _routed(model_name(model) if name == "default" else name)
    return price(
        provider,
        model_id,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_tokens=usage.input_tokens_details.cached_tokens or 0,
        local=provider == "ollama" and not is_cloud_name(model_id),
    )


def _routed(name: str) -> tuple[str, str]:
    provider, slash, model_id = name.partition("/")
    return (provider, model_id) if slash else ("openai", name)
