"""Functions whose whole behaviour is a table: contexts, schemas, prices."""

from decimal import Decimal
from importlib.metadata import version
from typing import Any

import pytest
from agents import ModelBehaviorError, UserError
from support.vectors import assert_error, rows
from timestep.models import price
from timestep.models.context import Size, prompt_size, refuse_cut
from timestep.models.schemas import inline


@pytest.mark.parametrize("row", rows("models/contexts.json"))
def test_a_cut_is_told(row: dict[str, Any]) -> None:
    measured = {name: row[name] for name in ("input_tokens", "output_tokens", "context")}
    prompt = Size(row["words"], row["letters"])
    if "error" not in row:
        refuse_cut(model="llama3", prompt=prompt, **measured)
        return
    with pytest.raises(ModelBehaviorError, match=row["error"]) as raised:
        refuse_cut(model="llama3", prompt=prompt, **measured)
    assert "num_ctx" in str(raised.value)


@pytest.mark.parametrize("row", rows("models/prompts.json"))
def test_a_prompt_has_a_size(row: dict[str, Any]) -> None:
    assert prompt_size(row["instructions"], row["input"]) == Size(row["words"], row["letters"])


@pytest.mark.parametrize("row", rows("models/schemas.json"))
def test_references_are_written_out(row: dict[str, Any]) -> None:
    if "error" in row:
        with pytest.raises(UserError) as raised:
            inline(row["input"], "plant")
        assert_error(raised.value, row["error"])
        return
    assert inline(row["input"], "plant") == row["output"]


@pytest.mark.parametrize("row", rows("models/prices.json"))
def test_a_call_has_a_price(row: dict[str, Any]) -> None:
    tokens = {
        name: row[name]
        for name in ("input_tokens", "output_tokens", "cached_tokens", "local")
        if name in row
    }
    found = price(row["provider"], row["model"], **tokens)
    wanted = row["amount"]
    assert found.amount == (None if wanted is None else Decimal(wanted))
    assert found.amount is None or f"{found.amount:f}" == wanted
    assert found.table == f"genai-prices {version('genai-prices')}"
