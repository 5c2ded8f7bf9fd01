"""Two descriptions of the same arguments give the same lines."""

import json
from pathlib import Path
from typing import Any, Literal

import pytest
from agents import function_tool
from pydantic import BaseModel
from timestep.run_state.schemas import argument_lines


class Line(BaseModel):
    sku: str
    count: int = 1


class Tree(BaseModel):
    name: str
    children: list["Tree"]


def lines_of(function: Any) -> list[str]:
    return argument_lines(function_tool(function, strict_mode=False).params_json_schema)


def test_a_line_is_a_path_and_what_may_stand_there():
    def order(lines: list[Line], unit: Literal["kg", "lb"], note: str | None = None) -> None: ...

    assert lines_of(order) == [
        "lines: array",
        "lines[].count?: number",
        "lines[].sku: string",
        "lines[]: object",
        "note?: null | string",
        'unit: "kg" | "lb"',
    ]


def test_a_tree_ends_where_it_repeats_itself():
    def grow(tree: Tree) -> None: ...

    assert lines_of(grow) == [
        "tree.children: array",
        "tree.children[]: ...",
        "tree.name: string",
        "tree: object",
    ]


def test_free_form_objects_and_anything_have_lines():
    def put(prices: dict[str, float], rest: Any) -> None: ...

    assert lines_of(put) == ["prices: object", "prices{}: number", "rest: any"]


@pytest.mark.parametrize(
    ("pydantic", "zod"),
    [
        (
            {
                "properties": {"n": {"title": "N", "type": "integer"}},
                "required": ["n"],
                "title": "x",
            },
            {
                "$schema": "http://json-schema.org/draft-07/schema#",
                "properties": {"n": {"type": "number", "description": "how many"}},
                "required": ["n"],
                "additionalProperties": False,
            },
        ),
        (
            {
                "properties": {
                    "t": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}
                }
            },
            {"properties": {"t": {"type": ["string", "null"]}}},
        ),
        (
            {
                "properties": {"k": {"$ref": "#/$defs/K"}},
                "$defs": {"K": {"enum": ["b", "a"], "type": "string"}},
            },
            {"properties": {"k": {"oneOf": [{"const": "a"}, {"const": "b"}]}}},
        ),
    ],
)
def test_pydantic_and_zod_give_the_same_lines(pydantic, zod):
    assert argument_lines(pydantic) == argument_lines(zod) != []


def test_no_arguments_give_no_lines():
    assert argument_lines({"type": "object", "properties": {}}) == []
    assert argument_lines(None) == []


VECTORS = Path(__file__).parents[3] / "spec" / "vectors" / "tool_arguments"
ROWS = [row for path in VECTORS.glob("*.json") for row in json.loads(path.read_text())["rows"]]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["description"])
def test_every_library_gives_the_recorded_lines(row: Any):
    assert [argument_lines(schema) for schema in row["schemas"]] == [
        row["lines"] for _ in row["schemas"]
    ]
