"""What is told of a run that failed, by its row."""

from typing import Any

from agents import (
    Agent,
    GuardrailFunctionOutput,
    InputGuardrailResult,
    InputGuardrailTripwireTriggered,
    MaxTurnsExceeded,
    ModelBehaviorError,
    OutputGuardrailResult,
    OutputGuardrailTripwireTriggered,
    UserError,
)

from timestep import errors
from timestep.durable.registry import reachable
from timestep.errors import TimestepError

# Those that are their message and nothing else, by the names that they have in either language.
_SAME: dict[str, type[Exception]] = {
    "MaxTurnsExceeded": MaxTurnsExceeded,
    "MaxTurnsExceededError": MaxTurnsExceeded,
    "ModelBehaviorError": ModelBehaviorError,
    "UserError": UserError,
    "TimeoutError": TimeoutError,
}
_TRIPPED = GuardrailFunctionOutput(output_info=None, tripwire_triggered=True)


def words(error: BaseException) -> str:
    """Return what `runs.error` says of an error."""
    match error:
        case InputGuardrailTripwireTriggered():
            return _refused_input(error.guardrail_result.guardrail)
        case OutputGuardrailTripwireTriggered():
            return _refused_output(error.guardrail_result.guardrail)
        case _:
            return str(error)


def failure(row: dict[str, Any], agent: Agent[Any] | None) -> Exception:
    """Return the error that tells what ended a run, of the same class if it can be made again.

    Args:
        row: The run's row.
        agent: The run's agent, to which a guardrail belongs (None: this process has it not).
    """
    kind, said = row["error_type"], row["error"]
    error = _same(kind, said) or _tripwire(kind, said, agent)
    if error is None:
        return TimestepError(
            f"Run {row['run_id']} failed with {kind}: {said}. list_run_steps() tells what it had"
            " done."
        )
    error.add_note(f"Run {row['run_id']} failed with this.")
    return error


def _same(kind: str, said: str) -> Exception | None:
    own = getattr(errors, kind, None)
    if isinstance(own, type) and issubclass(own, TimestepError):
        return own(said)
    return _SAME[kind](said) if kind in _SAME else None


def _tripwire(kind: str, said: str, agent: Agent[Any] | None) -> Exception | None:
    agents = reachable(agent) if agent else []
    if kind == InputGuardrailTripwireTriggered.__name__:
        for one in agents:
            for guardrail in one.input_guardrails:
                if said == _refused_input(guardrail):
                    result = InputGuardrailResult(guardrail, _TRIPPED)
                    return InputGuardrailTripwireTriggered(result)
    if kind == OutputGuardrailTripwireTriggered.__name__:
        for one in agents:
            for guardrail in one.output_guardrails:
                if said == _refused_output(guardrail):
                    result = OutputGuardrailResult(guardrail, None, one, _TRIPPED)
                    return OutputGuardrailTripwireTriggered(result)
    return None


def _refused_input(guardrail: Any) -> str:
    return f"The guardrail {guardrail.get_name()} refused the input."


def _refused_output(guardrail: Any) -> str:
    return f"The guardrail {guardrail.get_name()} refused the output."
