"""The agents of a scenario, as Python defines them. scenario.ts is the same in TypeScript."""

import json
import re
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, cast

from agents import (
    Agent,
    AgentOutputSchemaBase,
    ApplyPatchTool,
    CustomTool,
    FunctionTool,
    GuardrailFunctionOutput,
    HostedMCPTool,
    InputGuardrail,
    ModelBehaviorError,
    ModelSettings,
    OutputGuardrail,
    ShellTool,
    Tool,
    ToolGuardrailFunctionOutput,
    ToolInputGuardrail,
    ToolOutputGuardrail,
    ToolOutputImage,
    function_tool,
    handoff,
)
from agents.mcp import MCPServerStdio
from agents.tool_context import ToolContext
from pydantic import BaseModel

FOLDER = Path(__file__).parent
LIBRARY = json.loads((FOLDER / "library.json").read_text())

Json = dict[str, Any]
Record = Callable[[str, str, str], None]
"""Notes an execution: the tool's name, its exact arguments, the id of the call."""


def build_agents(
    scenario: Json, record: Record, mcp_servers: dict[str, MCPServerStdio]
) -> Agent[Any]:
    """Return the agent that the scenario starts with; the others hang on it."""
    agents = {
        key: _agent(key, spec, record, mcp_servers) for key, spec in scenario["agents"].items()
    }
    for key, spec in scenario["agents"].items():
        agents[key].handoffs = [
            handoff(
                agents[target["agent"]],
                tool_name_override=target["tool"],
                tool_description_override=target["description"],
            )
            for target in spec.get("handoffs", [])
        ]
        agents[key].tools += [
            agents[target["agent"]].as_tool(
                tool_name=target["tool"],
                tool_description=target["description"],
                needs_approval=target.get("needs_approval", False),
            )
            for target in spec.get("agents_as_tools", [])
        ]
    return agents[scenario["start"]]


def _agent(
    key: str, spec: Json, record: Record, mcp_servers: dict[str, MCPServerStdio]
) -> Agent[Any]:
    library = LIBRARY["guardrails"]
    return Agent(
        name=spec.get("name", key),
        instructions=spec["instructions"],
        model=spec.get("model", "gpt-5"),
        model_settings=ModelSettings(**spec.get("model_settings", {})),
        reset_tool_choice=spec.get("reset_tool_choice", True),
        tools=[_tool(name, record) for name in spec.get("tools", [])]
        + [_hosted_mcp(server) for server in spec.get("hosted_mcp", [])],
        mcp_servers=[mcp_servers[name] for name in spec.get("mcp_servers", [])],
        output_type=JsonOutput(spec["output_type"]) if "output_type" in spec else None,
        input_guardrails=[
            InputGuardrail(_verdict(library[name]), name=name)
            for name in spec.get("input_guardrails", [])
        ],
        output_guardrails=[
            OutputGuardrail(_verdict(library[name]), name=name)
            for name in spec.get("output_guardrails", [])
        ],
    )


def _tool(name: str, record: Record) -> Tool:
    if name in OWN_TOOLS:
        return OWN_TOOLS[name](record)
    spec = LIBRARY["tools"][name]
    library = LIBRARY["tool_guardrails"]

    async def execute(context: ToolContext[Any], arguments: str) -> Any:
        record(name, context.tool_arguments, context.tool_call_id)
        return _output(spec, arguments, context.context)

    return FunctionTool(
        name=name,
        description=spec["description"],
        params_json_schema=json.loads(json.dumps(spec["parameters"])),
        on_invoke_tool=execute,
        needs_approval=spec.get("needs_approval", False),
        tool_input_guardrails=[
            ToolInputGuardrail(_behavior(library[guardrail]), name=guardrail)
            for guardrail in spec.get("input_guardrails", [])
        ]
        or None,
        tool_output_guardrails=[
            ToolOutputGuardrail(_behavior(library[guardrail]), name=guardrail)
            for guardrail in spec.get("output_guardrails", [])
        ]
        or None,
    )


def _output(spec: Json, arguments: str, context: Any) -> Any:
    if "image" in spec:
        return ToolOutputImage(image_url=spec["image"])
    if "counts" in spec:
        _write(context, spec["counts"], _read(context, spec["counts"]) + 1)
    given = json.loads(arguments)

    def fill(hole: re.Match[str]) -> str:
        name = hole[1]
        if name == "arguments":
            return arguments
        named = _read(context, name[8:]) if name.startswith("context.") else given[name]
        return named if isinstance(named, str) else json.dumps(named)

    return re.sub(r"\{([\w.]+)\}", fill, spec["text"]) * spec.get("times", 1)


def _read(context: Any, name: str) -> Any:
    return cast("Json", context)[name] if isinstance(context, dict) else getattr(context, name)


def _write(context: Any, name: str, value: object) -> None:
    if isinstance(context, dict):
        context[name] = value
    else:
        setattr(context, name, value)


def _hosted_mcp(server: Json) -> HostedMCPTool:
    return HostedMCPTool(tool_config={"type": "mcp", "require_approval": "always", **server})  # pyright: ignore[reportArgumentType] - the scenario's own JSON


def _verdict(spec: Json) -> Any:
    def judge(*_: object) -> GuardrailFunctionOutput:
        return GuardrailFunctionOutput(spec["info"], spec.get("tripped", False))

    return judge


def _behavior(spec: Json) -> Any:
    def judge(_: object) -> ToolGuardrailFunctionOutput:
        if spec["behavior"] == "allow":
            return ToolGuardrailFunctionOutput.allow(spec["info"])
        return ToolGuardrailFunctionOutput.reject_content(spec["message"], spec["info"])

    return judge


class JsonOutput(AgentOutputSchemaBase):
    """A structured output that is described by a JSON schema alone, as TypeScript has it."""

    def __init__(self, name: str) -> None:
        self._schema = LIBRARY["output_types"][name]

    def is_plain_text(self) -> bool:
        return False

    def name(self) -> str:
        return "final_output"

    def json_schema(self) -> Json:
        return self._schema

    def is_strict_json_schema(self) -> bool:
        return True

    def validate_json(self, json_str: str) -> Any:
        try:
            return json.loads(json_str)
        except ValueError as error:
            raise ModelBehaviorError(str(error)) from error


# Tools that each language writes in its own way.


class Parcel(BaseModel):
    """What is in it, and how heavy it is."""

    label: str
    weight: float = 1.0


def _ship_order(record: Record) -> Tool:
    async def ship_order(
        context: ToolContext[Any],
        order: str,
        parcels: list[Parcel],
        unit: Literal["kg", "lb"] = "kg",
        note: str | None = None,
    ) -> str:
        """Ship an order.

        Args:
            order: Which one.
            parcels: What is sent.
            unit: The unit of all weights.
            note: For the driver.
        """
        record("ship_order", context.tool_arguments, context.tool_call_id)
        return f"Shipped {order}: {len(parcels)} in {unit}, {note or 'no note'}."

    return function_tool(ship_order, needs_approval=True)


async def _never_reached(*_: object) -> str:
    raise AssertionError("this tool must not run here")


OWN_TOOLS: dict[str, Callable[[Record], Tool]] = {
    "ship_order": _ship_order,
    "shell": lambda _: ShellTool(executor=_never_reached, needs_approval=True),
    "apply_patch": lambda _: ApplyPatchTool(editor=Any, needs_approval=True),  # pyright: ignore[reportArgumentType] - never reached
    "custom": lambda _: CustomTool(
        name="custom", description="Free text.", on_invoke_tool=_never_reached, needs_approval=True
    ),
}


# Contexts


@dataclass
class Customer:
    customer: str
    visits: int
    tags: list[str]


class CustomerModel(BaseModel):
    customer: str
    visits: int
    tags: list[str]


def _customer_to_json(customer: Any) -> Json:
    return asdict(customer)


def _customer_from_json(document: Any) -> Customer:
    return Customer(**document)


def _model_to_json(customer: Any) -> Json:
    return customer.model_dump()


def _model_from_json(document: Any) -> CustomerModel:
    return CustomerModel.model_validate(document)


CONTEXTS: dict[str, tuple[Any, Any]] = {
    "dataclass": (_customer_to_json, _customer_from_json),
    "pydantic": (_model_to_json, _model_from_json),
}


def build_context(scenario: Json) -> Any:
    """Return the context that the run starts with, in the form that the scenario names."""
    kind = scenario.get("context_kind", "mapping")
    document = scenario.get("context")
    if kind == "class":
        return Customer(**scenario["context"])
    if kind == "not_a_number":
        return {"lines": [{"number": float("nan")}]}
    return CONTEXTS[kind][1](document) if kind in CONTEXTS else document


def serializers(scenario: Json) -> Json:
    """Return the store's arguments for contexts that are no mappings."""
    kind = scenario.get("context_kind", "mapping")
    if kind not in CONTEXTS:
        return {}
    to_json, from_json = CONTEXTS[kind]
    return {"context_serializer": to_json, "context_deserializer": from_json}


def local_mcp_servers(scenario: Json) -> dict[str, MCPServerStdio]:
    """Return the MCP servers that the scenario runs on this machine, not yet connected."""
    names = {name for spec in scenario["agents"].values() for name in spec.get("mcp_servers", [])}
    command = {"command": sys.executable, "args": [str(FOLDER / "mcp_server.py")]}
    return {
        name: MCPServerStdio(
            params=command,  # pyright: ignore[reportArgumentType]
            name=name,
            cache_tools_list=True,
            client_session_timeout_seconds=30,
        )
        for name in sorted(names)
    }
