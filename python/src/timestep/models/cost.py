"""What a model call costs, from the price table that genai-prices carries."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

import genai_prices

_SCALE = Decimal("0.000000001")  # the same nine places in both languages and in the database
_TABLE = f"genai-prices {genai_prices.__version__}"
_unknown: set[tuple[str, str]] = set()  # a search in vain goes through the whole table


@dataclass(frozen=True)
class Price:
    """The price of a call and where it comes from."""

    amount: Decimal | None
    """US dollars with nine places, or None where no price is known."""

    table: str
    """The price table, for example "genai-prices 0.2.3"."""


def price(
    provider: str,
    model: str,
    *,
    input_tokens: int,
    output_tokens: int,
    cached_tokens: int = 0,
    local: bool = False,
) -> Price:
    """Return what a call costs. A price that is not known is None and never an error.

    Args:
        provider: "openai" or "ollama".
        model: The model's name as the provider knows it, for example "gpt-4.1".
        input_tokens: All tokens read, those from the cache included.
        output_tokens: All tokens written, reasoning included.
        cached_tokens: How many of the tokens read came from the cache (0).
        local: Whether the model ran on a host of one's own, which costs nothing (False).
    """
    if local:
        return Price(Decimal(0).quantize(_SCALE), _TABLE)
    if (provider, model) in _unknown:
        return Price(None, _TABLE)
    usage = genai_prices.Usage(
        input_tokens=input_tokens, output_tokens=output_tokens, cache_read_tokens=cached_tokens
    )
    try:
        found = genai_prices.calc_price(usage, model, provider_id=provider)
    except LookupError:
        _unknown.add((provider, model))
        return Price(None, _TABLE)
    except ValueError:  # counts that no call can have, such as below zero
        return Price(None, _TABLE)
    return Price(found.total_price.quantize(_SCALE, ROUND_HALF_UP), _TABLE)
