"""What one language alone can continue, refused by name."""

from typing import Any, cast

from timestep.errors import NotPortableError
from timestep.run_state import native as native_state
from timestep.run_state.native import Native

_PORTABLE_CONTEXTS = ("none", "mapping", "context_serializer")
_ACTIONS = {
    "computer_actions": "computer",
    "custom_tool_actions": "custom-tool",
    "local_shell_actions": "local shell",
    "shell_actions": "shell",
    "apply_patch_actions": "patch",
}


def refuse_unportable(native: Native) -> None:
    """Check that the other language can continue a run.

    Raises:
        NotPortableError: It cannot; the message says why.
    """
    found = native_state.schema_version(native)
    if native_state.is_newer(found):
        raise NotPortableError(
            f"The SDK writes run states of version {found}, but this version of Timestep translates"
            f" them up to {native_state.SCHEMA_VERSION}: update Timestep."
        )
    for reason, is_so in _reasons(native).items():
        if is_so:
            raise NotPortableError(f"Only Python can continue this run: {reason}.")
    refuse_context(native)


def _reasons(native: Native) -> dict[str, bool]:
    step = cast("Native", native.get("current_step") or {})
    step = cast("Native", step.get("data", {}))
    processed = cast("Native", native.get("last_processed_response") or {})
    return {
        "a write to its session is not finished": native.get("pending_session_write") is not None,
        "it has a sandbox": native.get("sandbox") is not None,
        "it ended beyond recovery": bool(native.get("terminal_unrecoverable")),
        "a model response was accepted but not processed": bool(step.get("response_accepted"))
        or step.get("llm_end_hooks_started") is False,
        "it holds nested handoff history": bool(
            native.get("nested_history_owned_session_item_refs")
        ),
        **{
            f"a {kind} action waits for a decision": bool(processed.get(name))
            for name, kind in _ACTIONS.items()
        },
    }


def refuse_context(native: Native) -> None:
    """Raise `NotPortableError` if the context is no mapping and no serializer made it one."""
    meta = cast("dict[str, Any]", native["context"].get("context_meta") or {})
    if meta.get("serialized_via", "mapping") in _PORTABLE_CONTEXTS:
        return
    raise NotPortableError(
        f"The context is {meta.get('class_path') or meta.get('original_type')}, but only a mapping"
        " can be read by the other language: use a dict, or give a context_serializer."
    )
