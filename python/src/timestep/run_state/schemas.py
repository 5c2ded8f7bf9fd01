"""The arguments of a tool as lines of text, the same from pydantic and from zod.

An approval of a call holds as long as the tool takes the same arguments. Titles, descriptions,
defaults and limits may change, and differ between the languages, without changing that.
"""

from dataclasses import dataclass, field
from typing import Any, cast

from timestep.run_state.text import encode, utf16_order

Schema = dict[str, Any]


@dataclass
class _Argument:
    """One path of the arguments: what may stand there, and whether something must."""

    alternatives: set[str] = field(default_factory=set[str])
    optional: bool = False


def argument_lines(schema: Any) -> list[str]:
    """Return one line for each argument, such as `note?: null | string`."""
    arguments: dict[str, _Argument] = {}
    if isinstance(schema, dict):
        _read(cast("Schema", schema), cast("Schema", schema), "", arguments, ())
    arguments.pop("", None)
    lines = [
        f"{path}{'?' if a.optional else ''}: {' | '.join(sorted(a.alternatives, key=utf16_order))}"
        for path, a in arguments.items()
    ]
    return sorted(lines, key=utf16_order)


def _read(
    schema: Schema,
    root: Schema,
    path: str,
    arguments: dict[str, _Argument],
    within: tuple[str, ...],
) -> None:
    argument = arguments.setdefault(path, _Argument())
    found: set[str] = set()
    _collect(schema, root, path, arguments, within, found)
    argument.alternatives |= found or {"any"}


def _collect(
    schema: Schema,
    root: Schema,
    path: str,
    arguments: dict[str, _Argument],
    within: tuple[str, ...],
    found: set[str],
) -> None:
    if "$ref" in schema:
        name = str(schema["$ref"])
        target = _target(root, name)
        if name in within:
            found.add("...")
        elif target is not None:
            _collect(target, root, path, arguments, (*within, name), found)
    for member in (m for name in ("anyOf", "oneOf", "allOf") for m in schema.get(name, [])):
        if isinstance(member, dict):
            _collect(cast("Schema", member), root, path, arguments, within, found)
    found |= _alternatives(schema)
    _descend(schema, root, path, arguments, within)


def _alternatives(schema: Schema) -> set[str]:
    if "const" in schema:
        return {encode(schema["const"])}
    if isinstance(schema.get("enum"), list):
        return {encode(value) for value in schema["enum"]}
    types = schema.get("type", [])
    names = cast("list[str]", types if isinstance(types, list) else [types])
    return {"number" if name == "integer" else name for name in names}


def _descend(
    schema: Schema,
    root: Schema,
    path: str,
    arguments: dict[str, _Argument],
    within: tuple[str, ...],
) -> None:
    properties = cast("dict[str, Any]", schema.get("properties") or {})
    required = cast("list[str]", schema.get("required") or [])
    for name, member in properties.items():
        member_path = f"{path}.{name}" if path else name
        _read(_schema(member), root, member_path, arguments, within)
        arguments[member_path].optional |= name not in required
    for keyword, suffix in (("items", "[]"), ("additionalProperties", "{}")):
        if schema.get(keyword) and isinstance(schema[keyword], dict):
            _read(schema[keyword], root, path + suffix, arguments, within)


def _schema(value: Any) -> Schema:
    return cast("Schema", value) if isinstance(value, dict) else {}


def _target(root: Schema, reference: str) -> Schema | None:
    if not reference.startswith("#"):
        return None
    value: Any = root
    for part in reference.removeprefix("#").strip("/").split("/") if reference != "#" else []:
        name = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(value, dict) or name not in value:
            return None
        value = cast("Schema", value)[name]
    return _schema(value)
