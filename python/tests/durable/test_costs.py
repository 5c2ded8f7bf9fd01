"""What a model call cost is recorded with it."""

from decimal import Decimal
from importlib.metadata import version
from typing import Any

import pytest
from agents import Usage
from agents.models.openai_responses import OpenAIResponsesModel
from openai import AsyncOpenAI
from openai.types.responses.response_usage import InputTokensDetails
from support.durable import Company, call, says
from support.vectors import rows
from timestep.durable.call_cost import call_cost

TABLE = f"genai-prices {version('genai-prices')}"
COSTS = "select model, cost, currency, price_table from timestep.costs order by model"


@pytest.mark.parametrize("row", rows("models/call_costs.json"))
def test_a_call_costs_what_its_name_says(row: dict[str, Any]) -> None:
    usage = Usage(
        input_tokens=row["input_tokens"],
        output_tokens=row["output_tokens"],
        input_tokens_details=InputTokensDetails(
            cached_tokens=row.get("cached_tokens", 0), cache_write_tokens=0
        ),
    )
    model = OpenAIResponsesModel(row.get("model", "another"), AsyncOpenAI(api_key="none"))
    found = call_cost(row["name"], model, usage)
    assert found.amount == (None if row["amount"] is None else Decimal(row["amount"]))
    assert found.table == TABLE


def test_a_cost_is_recorded_with_its_call_and_the_users_price_counts_before_it(
    company: Company,
) -> None:
    # triage has no model of its own; the model object of the librarian has a name without a price
    company.script(says(call("ask", "c1")), says("helped"), says("done"))
    assert company.run("librarian", workflow_id="w")["status"] == "completed"
    recorded = company.rows(
        "select name, cost is not null, price_table from timestep.steps order by key"
    )
    assert recorded == [
        ("default", True, TABLE), ("gpt-object", False, TABLE), ("gpt-object", False, TABLE),
        ("ask", False, None),
    ]  # fmt: skip
    (default, unknown) = company.rows(COSTS)
    assert default[1] > 0
    assert default[2:] == ("USD", TABLE)
    assert unknown == ("gpt-object", None, None, TABLE)
    company.rows("insert into timestep.model_prices values ('gpt-obj%', 1, 10, 'EUR') returning 1")
    own = ("gpt-object", Decimal("0.00004"), "EUR", "timestep.model_prices")
    assert company.rows(COSTS) == [default, own]


def test_a_cost_is_unknown_where_that_of_one_call_is(company: Company) -> None:
    company.script(says(call("refund", "c1", n=1)), says("done"))
    company.run("run", workflow_id="w")
    company.rows("update timestep.steps set cost = null where key = 'm::1' returning 1")
    assert company.rows(COSTS) == [("default", None, None, TABLE)]
