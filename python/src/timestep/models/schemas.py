"""Tool schemas as Ollama can read them: it ignores `$ref`, so references are written out."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from agents import FunctionTool, Handoff, Tool, UserError


def tools_for_ollama(tools: list[Tool]) -> list[Tool]:
    """Return the tools with plain schemas.

    Raises:
        UserError: A tool is one that OpenAI would run itself, or its schema refers to itself.
    """
    for tool in tools:
        if not isinstance(tool, FunctionTool):
            raise UserError(
                f"The tool {tool.name!r} runs at OpenAI; Ollama has only function tools. "
                "Use a function tool, for example web_search of timestep."
            )
    return [
        replace(tool, params_json_schema=inline(tool.params_json_schema, tool.name))
        if isinstance(tool, FunctionTool) and "$defs" in tool.params_json_schema
        else tool
        for tool in tools
    ]


def handoffs_for_ollama(handoffs: list[Handoff[Any, Any]]) -> list[Handoff[Any, Any]]:
    """Return the handoffs with plain schemas."""
    return [
        replace(handoff, input_json_schema=inline(handoff.input_json_schema, handoff.tool_name))
        if "$defs" in handoff.input_json_schema
        else handoff
        for handoff in handoffs
    ]


def inline(schema: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the schema with every reference replaced by what it refers to.

    Args:
        schema: A JSON Schema whose definitions lie under `$defs`.
        name: The tool's name, for the error.

    Raises:
        UserError: A definition contains itself, or a reference leads elsewhere.
    """
    definitions = cast("dict[str, Any]", schema.get("$defs", {}))

    def written_out(node: object, seen: tuple[str, ...]) -> Any:
        if isinstance(node, list):
            return [written_out(entry, seen) for entry in cast("list[object]", node)]
        if not isinstance(node, Mapping):
            return node
        members = cast("Mapping[str, object]", node)
        target = members.get("$ref")
        if not isinstance(target, str):
            return {key: written_out(value, seen) for key, value in members.items()}
        key = target.removeprefix("#/$defs/")
        if key in seen or key not in definitions:
            raise UserError(
                f"The arguments of the tool {name!r} hold the reference {target!r}, which "
                "cannot be written out, and Ollama reads no references. Use flat arguments."
            )
        beside = {name: value for name, value in members.items() if name != "$ref"}
        return {**written_out(definitions[key], (*seen, key)), **written_out(beside, seen)}

    return written_out({key: value for key, value in schema.items() if key != "$defs"}, ())
