"""Records paused runs as the installed SDK writes them, into spec/vectors/run_states.

    python tools/record_vectors.py

Each file is a run at one pause: the document that both languages read, the SDK's own document,
and the request that the model gets next. Recorded files are kept for ever and never changed:
what is there already is left as it is, and a new version of the SDK gets a folder of its own.
"""

# It runs the scenarios of the tests, which are not typed.
# pyright: basic, reportMissingImports=false

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "python" / "tests"))

from run_state.passes import Play, script_of  # noqa: E402
from run_state.scenarios import SCENARIOS, Scenario  # noqa: E402
from timestep.run_state.from_envelope import from_envelope  # noqa: E402
from timestep.run_state.native import SDK_VERSION, scrub  # noqa: E402
from timestep.run_state.to_envelope import to_envelope  # noqa: E402
from timestep.testing import ModelServer  # noqa: E402

FOLDER = ROOT / "spec" / "vectors" / "run_states" / f"python-{SDK_VERSION}"
LARGEST = 100_000  # characters; a vector is there to be read


def main() -> None:
    """Record what is not recorded yet and say what was written."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with ModelServer() as server:
        for scenario in SCENARIOS:
            for pause, vector in enumerate(asyncio.run(record(scenario, server)), 1):
                write(FOLDER / f"{script_of(scenario)}-{pause}.json", vector)


async def record(scenario: Scenario, server: ModelServer) -> list[dict[str, Any]]:
    """Run a scenario to its end; return a vector for each of its pauses."""
    vectors: list[dict[str, Any]] = []
    follows: list[int] = []

    async def pass_on(state: Any, agent: Any) -> Any:
        native = scrub(state.to_json(context_serializer=scenario.context_serializer))
        envelope = to_envelope(state, native)
        follows.append(len(server.requests(script_of(scenario))))
        vectors.append(
            {
                "description": f"{scenario.name}, pause {len(vectors) + 1}",
                "scenario": scenario.name,
                "writer": {"language": "python", "sdk_version": SDK_VERSION},
                "envelope": envelope,
                "native": native,
            }
        )
        return await from_envelope(
            envelope, agent, context_deserializer=scenario.context_deserializer
        )

    outcome = await Play(scenario, server, pass_on).to_the_end()
    ends = [*follows[1:], len(outcome.requests)]
    for vector, start, end in zip(vectors, follows, ends, strict=True):
        # A run may pause again, or end, without asking the model.
        vector["next_request"] = outcome.requests[start] if start < end else None
    return vectors


def write(path: Path, vector: dict[str, Any]) -> None:
    """Write a vector unless there is one of its name, or it is too long to be read."""
    lines = ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in vector.items())
    if len(lines) > LARGEST:
        print(f"too long   {path.relative_to(ROOT)}")
    elif path.exists():
        print(f"kept       {path.relative_to(ROOT)}")
    else:
        path.write_text(f"{{\n{lines}\n}}\n")
        print(f"recorded   {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
