"""Models: which provider a name means, Ollama as a provider, and what a call costs."""

from timestep.models.cost import Price, price
from timestep.models.ollama import OllamaModelProvider
from timestep.models.routing import MultiModelProvider, MultiModelProviderMap

__all__ = [
    "MultiModelProvider",
    "MultiModelProviderMap",
    "OllamaModelProvider",
    "Price",
    "price",
]
