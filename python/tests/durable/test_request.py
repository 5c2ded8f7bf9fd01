"""What durable runs refuse to be asked for, before anything is made or launched."""

from typing import Any

import pytest
from agents import Agent
from timestep import configure_dbos, decide_approval, list_approvals, list_runs
from timestep.durable.registry import check_agent
from timestep.durable.request import QueuedOptions, check_options, requested
from timestep.errors import ConfigurationError, NotDurableError


def ask(**given: Any) -> Any:
    options = {"input_items": "hi", "session": None, "workflow_id": None, "timeout_seconds": None}
    return requested(Agent(name="a"), options={}, **{**options, **given})


@pytest.mark.parametrize("workflow_id", ["", " ", "a\0b", "x" * 501, 5])
def test_a_name_that_cannot_be_used(workflow_id: Any) -> None:
    with pytest.raises(ConfigurationError, match="workflow_id is"):
        ask(workflow_id=workflow_id)


@pytest.mark.parametrize("given", [None, ["hi"], {"role": "user"}, 5])
def test_an_input_that_is_none(given: Any) -> None:
    with pytest.raises(ConfigurationError, match="expected a text, a list of items"):
        ask(input_items=given)


def test_other_values() -> None:
    with pytest.raises(ConfigurationError, match="timeout_seconds is -1"):
        ask(timeout_seconds=-1)
    with pytest.raises(NotDurableError, match="The context is a object"):
        requested(
            Agent(name="a"),
            "hi",
            None,
            workflow_id=None,
            timeout_seconds=None,
            options={"context": object()},  # type: ignore[typeddict-item] - on purpose
        )
    with pytest.raises(ConfigurationError, match="but got str"):
        check_agent("a")


def test_an_option_that_is_misspelled() -> None:
    with pytest.raises(TypeError, match="no option 'maxturns'; there are context, max_turns"):
        check_options({"maxturns": 3}, QueuedOptions)


def test_a_setting_that_is_misspelled() -> None:
    with pytest.raises(
        TypeError, match=r"'lease'; there are agents, name, .*lease_seconds, .* and"
    ):
        configure_dbos(lease=3)
    with pytest.raises(TypeError, match="no option 'workers'; there are concurrency, worker"):
        configure_dbos(queues={"agents": {"workers": 3}})  # type: ignore[typeddict-unknown-key]


@pytest.mark.anyio
@pytest.mark.parametrize("approve", ["no", None, 0])
async def test_a_decision_that_is_none(approve: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"approve is {approve!r}; expected True or"):
        await decide_approval("11111111-1111-4111-8111-111111111111", approve=approve)


def test_what_is_asked_for_is_kept_as_text() -> None:
    made = ask(input_items=[{"role": "user", "content": "é"}], workflow_id="w")
    assert (made.run_id, made.options) == ("w", '{"max_turns":10}')
    assert made.input == '[{"role":"user","content":"\\u00e9"}]'
    assert ask().run_id != ask().run_id


@pytest.mark.anyio
@pytest.mark.parametrize("limit", [-1, 1.5, "5", None, True, 2**63])
async def test_a_limit_that_is_none(limit: Any) -> None:
    for ask_for in (list_runs, list_approvals):
        with pytest.raises(ConfigurationError) as raised:
            await ask_for(limit=limit)
        assert str(raised.value) == f"limit is {limit!r}; expected a whole number, 0 or more."
