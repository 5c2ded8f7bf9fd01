"""What `timestep` exports."""

import importlib
import subprocess
import sys

import pytest
import timestep


def test_every_exported_name_is_there_and_sorted() -> None:
    assert timestep.__all__ == sorted(timestep.__all__)
    assert dir(timestep) == timestep.__all__
    for name in timestep.__all__:
        assert getattr(timestep, name).__doc__, f"{name} says nothing of itself"


def test_a_name_that_is_not_there_says_so() -> None:
    with pytest.raises(AttributeError, match="no attribute 'run_agnet'"):
        _ = timestep.run_agnet  # type: ignore[attr-defined] - on purpose
    with pytest.raises(ImportError):
        importlib.import_module("timestep.nothing")


def test_the_database_layer_does_not_wait_for_the_agents_sdk() -> None:
    program = (
        "import sys, timestep.database, timestep.cli.commands;"
        " sys.exit('agents' in sys.modules or 'dbos' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
