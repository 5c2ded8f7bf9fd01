"""Every scenario, written by one language and read by the other, is the run of one language alone.

All that a language does in a run is compared, letter by letter, with what the same language does
there when it runs the scenario alone: each request that reaches the model, the tools that ran, what
each part came to (output, usage, turn, agent), each item appended to the session, each saved
version and its approvals. That the two languages alone do the same too, and what their SDKs do
differently, is in test_sdks.py.
"""

import pytest

from .compare import same_run
from .conftest import Alone
from .play import LANGUAGES, SCENARIOS, Play, World, play

CHAINS = [name for name, scenario in SCENARIOS.items() if scenario.get("chain")]
ORDERS = ["PJPJPJPJ", "JPJPJPJP", "PPJJPPJJ", "JJPPJJPP"]
STREAMED = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


@STREAMED
@pytest.mark.parametrize("order", ["PJ", "JP"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_run_that_changes_language_is_the_run_that_does_not(
    world: World, alone: Alone, name: str, order: str, stream: bool
) -> None:
    played = play(world, name, order, stream=stream)
    assert len(set(played.players)) == 2
    same_run(played, in_each(alone, name, stream=stream))


@pytest.mark.parametrize("order", ["PJ", "JP"])
@pytest.mark.parametrize("name", [name for name in SCENARIOS if "fails" not in SCENARIOS[name]])
def test_a_decision_that_was_saved_holds_in_the_other_language(
    world: World, alone: Alone, name: str, order: str
) -> None:
    played = play(world, name, order, stream=False, decided_by="writer")
    same_run(played, in_each(alone, name, stream=False, decided_by="writer"))


@STREAMED
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", CHAINS)
def test_a_run_that_changes_language_at_each_pause_is_the_run_that_does_not(
    world: World, alone: Alone, name: str, order: str, stream: bool
) -> None:
    played = play(world, name, order, stream=stream)
    changes = sum(a != b for a, b in zip(played.players, played.players[1:], strict=False))
    assert changes >= 3
    same_run(played, in_each(alone, name, stream=stream))


def in_each(
    alone: Alone, name: str, *, stream: bool, decided_by: str = "reader"
) -> dict[str, Play]:
    """Return the run of each language alone."""
    return {
        language: alone(name, letter, stream=stream, decided_by=decided_by)
        for letter, language in LANGUAGES.items()
    }
