"""Runs that pause, each as an agent, what the model says, and what is decided."""

import dataclasses
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents import (
    Agent,
    FunctionTool,
    GuardrailFunctionOutput,
    HostedMCPTool,
    InputGuardrail,
    Model,
    ModelSettings,
    OutputGuardrail,
    RunContextWrapper,
    ToolGuardrailFunctionOutput,
    ToolOutputImage,
    function_tool,
    tool_input_guardrail,
    tool_namespace,
    tool_output_guardrail,
)
from agents.mcp import MCPServerStdio
from pydantic import BaseModel

Ran = list[str]


@dataclass(frozen=True)
class Decision:
    """What is decided on a call; None leaves it open."""

    approve: bool | None = True
    always: bool = False
    message: str | None = None


@dataclass(frozen=True)
class Scenario:
    """One run: who, what the model says, how it is started, and what is decided."""

    name: str
    agent: Callable[[Model, Ran], Agent[Any]]
    steps: list[Any]
    run_input: Any = "start"
    decide: Callable[[Any, int], Decision] = lambda item, pause: Decision()
    context: Any = None
    context_serializer: Any = None
    context_deserializer: Any = None
    options: dict[str, Any] = field(default_factory=dict)
    conversations: list[str] = field(default_factory=list)
    extra_input: Any = None
    session: bool = False
    chat: bool = False
    mcp: bool = False

    def __str__(self) -> str:
        return self.name


def call(name: str, arguments: Any, call_id: str) -> dict[str, Any]:
    return {"type": "function_call", "name": name, "arguments": arguments, "call_id": call_id}


def says(text: str) -> dict[str, Any]:
    return {"type": "message", "text": text}


def step(*output: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"output": list(output), **more}


DONE = step(says("done"))


def refund_tool(ran: Ran, *, always_ask: bool = True) -> FunctionTool:
    @function_tool(needs_approval=always_ask)
    def refund(order: str, amount: int) -> str:
        """Pay money back."""
        ran.append(f"refund {order} {amount}")
        return f"refunded {amount} for {order}"

    return refund


def look_up_tool(ran: Ran) -> FunctionTool:
    @function_tool
    def look_up(order: str) -> dict[str, Any]:
        """Look up an order."""
        ran.append(f"look_up {order}")
        return {"order": order, "paid": 12.5, "größe": None}

    return look_up


def clerk(model: Model, ran: Ran, **more: Any) -> Agent[Any]:
    return Agent(name="clerk", model=model, tools=[refund_tool(ran), look_up_tool(ran)], **more)


def with_handoff(model: Model, ran: Ran) -> Agent[Any]:
    specialist = Agent(name="specialist", model=model, tools=[refund_tool(ran)])
    return Agent(name="desk", model=model, tools=[look_up_tool(ran)], handoffs=[specialist])


def desk_with_both(model: Model, ran: Ran) -> Agent[Any]:
    return clerk(model, ran, handoffs=[Agent(name="größer", model=model)])


def with_helper(model: Model, ran: Ran) -> Agent[Any]:
    helper = Agent(name="helper", model=model, tools=[refund_tool(ran)])
    return Agent(name="desk", model=model, tools=[helper.as_tool("ask_helper", "Ask the helper")])


def with_two_levels(model: Model, ran: Ran) -> Agent[Any]:
    inner = Agent(name="inner", model=model, tools=[refund_tool(ran)])
    middle = Agent(
        name="middle", model=model, tools=[inner.as_tool("ask_inner", "Ask"), refund_tool(ran)]
    )
    return Agent(name="desk", model=model, tools=[middle.as_tool("ask_middle", "Ask")])


def with_approved_helper(model: Model, ran: Ran) -> Agent[Any]:
    helper = Agent(name="helper", model=model, tools=[refund_tool(ran)])
    tool = helper.as_tool("ask_helper", "Ask the helper", needs_approval=True)
    return Agent(name="desk", model=model, tools=[tool])


class Receipt(BaseModel):
    text: str
    amount: int


def with_guardrails(model: Model, ran: Ran) -> Agent[Any]:
    def on_input(context: Any, agent: Any, given: Any) -> GuardrailFunctionOutput:
        ran.append("input guardrail")
        return GuardrailFunctionOutput(output_info={"seen": 1}, tripwire_triggered=False)

    def on_output(context: Any, agent: Any, output: Any) -> GuardrailFunctionOutput:
        ran.append("output guardrail")
        return GuardrailFunctionOutput(output_info=None, tripwire_triggered=False)

    @tool_input_guardrail
    def on_arguments(data: Any) -> ToolGuardrailFunctionOutput:
        ran.append("tool input guardrail")
        return ToolGuardrailFunctionOutput.allow(output_info="fine")

    @tool_output_guardrail
    def on_result(data: Any) -> ToolGuardrailFunctionOutput:
        ran.append("tool output guardrail")
        return ToolGuardrailFunctionOutput.reject_content("kept back", output_info=[1])

    tools = [refund_tool(ran), look_up_tool(ran)]
    for tool in tools:
        tool.tool_input_guardrails = [on_arguments]
        tool.tool_output_guardrails = [on_result]
    return Agent(
        name="clerk",
        model=model,
        tools=tools,
        input_guardrails=[InputGuardrail(on_input, name="on_input")],
        output_guardrails=[OutputGuardrail(on_output, name="on_output")],
    )


def with_hosted_mcp(model: Model, ran: Ran) -> Agent[Any]:
    tool = HostedMCPTool(
        tool_config={
            "type": "mcp",
            "server_label": "shop",
            "server_url": "https://shop.invalid/mcp",
            "headers": {"X-Key": "very-secret"},
            "authorization": "also-secret",
            "require_approval": "always",
        }
    )
    return Agent(name="clerk", model=model, tools=[tool])


def with_local_mcp(model: Model, ran: Ran) -> Agent[Any]:
    server = MCPServerStdio(
        params={"command": sys.executable, "args": [str(Path(__file__).parent / "mcp_shop.py")]},
        name="shop",
        require_approval="always",
        cache_tools_list=True,
        client_session_timeout_seconds=30,
    )
    return Agent(name="clerk", model=model, mcp_servers=[server])


def with_namespace(model: Model, ran: Ran) -> Agent[Any]:
    tools = tool_namespace(
        name="shop", description="The shop", tools=[refund_tool(ran), look_up_tool(ran)]
    )
    return Agent(name="clerk", model=model, tools=[*tools, refund_tool(ran)])


def with_odd_texts(model: Model, ran: Ran) -> Agent[Any]:
    @function_tool
    def odd(text: str, number: int) -> str:
        ran.append(f"odd {text!r} {number}")
        return "nul \x00, é, 🙂, \u2028"

    @function_tool
    def long() -> str:
        ran.append("long")
        return "x" * 1_000_000

    return Agent(name="clerk", model=model, tools=[odd, long, refund_tool(ran)])


def with_image(model: Model, ran: Ran) -> Agent[Any]:
    @function_tool
    def photo() -> Any:
        ran.append("photo")
        return ToolOutputImage(image_url="data:image/png;base64,iVBORw0KGgo=", detail="low")

    return Agent(name="clerk", model=model, tools=[photo, refund_tool(ran)])


def with_first_result(model: Model, ran: Ran) -> Agent[Any]:
    return clerk(model, ran, tool_use_behavior="stop_on_first_tool")


@dataclass
class Till:
    drawer: str
    coins: list[int]


class Account(BaseModel):
    owner: str
    limit: float


def with_context(model: Model, ran: Ran) -> Agent[Any]:
    @function_tool(needs_approval=True)
    def show(context: RunContextWrapper[Any]) -> str:
        ran.append(f"show {context.context!r}")
        return "shown"

    return Agent(name="clerk", model=model, tools=[show])


REFUND = call("refund", {"order": "A1", "amount": 5}, "call_refund")
LOOK_UP = call("look_up", {"order": "A1"}, "call_look_up")
ONE = [step(REFUND), DONE]
MCP_LIST = {
    "type": "mcp_list_tools",
    "id": "mcpl_1",
    "server_label": "shop",
    "tools": [{"name": "pay", "input_schema": {"type": "object"}, "annotations": None}],
}


def mcp_request(request_id: str) -> dict[str, Any]:
    return {
        "type": "mcp_approval_request",
        "id": request_id,
        "server_label": "shop",
        "name": "pay",
        "arguments": '{"amount": 5}',
    }


MCP_CALL = {
    "type": "mcp_call",
    "id": "mcp_1",
    "server_label": "shop",
    "name": "pay",
    "arguments": '{"amount": 5}',
    "output": "paid",
    "error": None,
    "approval_request_id": "mcpr_1",
}
REASONING = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "hm"}],
    "encrypted_content": "stub-cipher:rs_1",
}


def approve_once_then_none(item: Any, pause: int) -> Decision:
    first = item.raw_item.call_id == "call_a" or pause > 0
    return Decision(approve=True if first else None)


def in_turns(item: Any, pause: int) -> Decision:
    """Approve, reject in words, reject without: by the digit at the end of the call id."""
    match item.raw_item.call_id[-1]:
        case "1":
            return Decision()
        case "2":
            return Decision(approve=False, message="not today: é")
        case _:
            return Decision(approve=False)


def refund_call(n: int) -> dict[str, Any]:
    return call("refund", {"order": f"B{n}", "amount": n}, f"call_{n}")


SCENARIOS = [
    Scenario("one approval", clerk, ONE),
    Scenario("free call first", clerk, [step(LOOK_UP, REFUND), DONE]),
    Scenario("free call last", clerk, [step(says("hm"), REFUND, LOOK_UP), DONE]),
    Scenario(
        "several decisions",
        clerk,
        [step(refund_call(1), refund_call(2), refund_call(3)), step(refund_call(4)), DONE],
        decide=in_turns,
    ),
    Scenario(
        "handoff, then approval",
        with_handoff,
        [step(LOOK_UP), step(call("transfer_to_specialist", {}, "call_h")), *ONE],
    ),
    Scenario(
        "handoff and approval at once",
        desk_with_both,
        [step(REFUND, call("transfer_to_gr__er", {}, "call_h")), DONE],
    ),
    Scenario(
        "agent as tool",
        with_helper,
        [step(call("ask_helper", {"input": "pay"}, "call_help")), *ONE, DONE],
    ),
    Scenario(
        "agent as tool, approved itself",
        with_approved_helper,
        [step(call("ask_helper", {"input": "pay"}, "call_help")), *ONE, DONE],
    ),
    Scenario(
        "two levels of agents as tools",
        with_two_levels,
        [
            step(call("ask_middle", {"input": "pay"}, "call_m")),
            step(call("ask_inner", {"input": "pay"}, "call_i"), refund_call(1)),
            step(refund_call(2)),
            DONE,
            DONE,
            DONE,
        ],
        decide=in_turns,
    ),
    Scenario(
        "always approved in an agent as tool",
        with_helper,
        [
            step(call("ask_helper", {"input": "pay"}, "call_help")),
            step(REFUND),
            step(refund_call(7)),
            DONE,
            DONE,
        ],
        decide=lambda item, pause: Decision(always=True),
    ),
    Scenario(
        "always approved",
        clerk,
        [step(REFUND), step(refund_call(2)), DONE],
        decide=lambda item, pause: Decision(always=True),
    ),
    Scenario(
        "rejected in words",
        clerk,
        ONE,
        decide=lambda item, pause: Decision(approve=False, message="no: é\x00"),
    ),
    Scenario(
        "always rejected",
        clerk,
        [step(REFUND), step(refund_call(2)), DONE],
        decide=lambda item, pause: Decision(approve=False, always=True, message="never"),
    ),
    Scenario(
        "structured output",
        lambda model, ran: clerk(model, ran, output_type=Receipt),
        [step(REFUND), step(says('{"text": "paid", "amount": 5}'))],
    ),
    Scenario(
        "guardrails",
        with_guardrails,
        [step(LOOK_UP), step(LOOK_UP | {"call_id": "c2"}, REFUND), DONE],
    ),
    Scenario("reasoning", clerk, [step(REASONING, REFUND), DONE]),
    Scenario(
        "hosted mcp",
        with_hosted_mcp,
        [step(MCP_LIST, mcp_request("mcpr_1")), step(MCP_CALL, says("done"))],
    ),
    Scenario(
        "hosted mcp, always",
        with_hosted_mcp,
        [
            step(MCP_LIST, mcp_request("mcpr_1")),
            step(mcp_request("mcpr_2")),
            step(says("done")),
        ],
        decide=lambda item, pause: Decision(always=True),
    ),
    Scenario(
        "hosted mcp, rejected",
        with_hosted_mcp,
        [step(MCP_LIST, mcp_request("mcpr_1")), DONE],
        decide=lambda item, pause: Decision(approve=False, message="no"),
    ),
    Scenario(
        "local mcp", with_local_mcp, [step(call("pay", {"amount": 5}, "call_p")), DONE], mcp=True
    ),
    Scenario(
        "session",
        clerk,
        [
            step(LOOK_UP),
            step(REASONING, says("hm"), REFUND),
            step(refund_call(2), LOOK_UP | {"call_id": "c9"}),
            DONE,
        ],
        session=True,
    ),
    Scenario(
        "dict context",
        with_context,
        [step(call("show", {}, "call_s")), DONE],
        context={"b": [1, {"9": 2, "10": 1, "z": 0, "y": 0}], "a": None},
    ),
    Scenario(
        "dataclass context",
        with_context,
        [step(call("show", {}, "call_s")), DONE],
        context=Till("left", [1, 2]),
        context_serializer=dataclasses.asdict,
        context_deserializer=lambda saved: Till(**saved),
    ),
    Scenario(
        "pydantic context",
        with_context,
        [step(call("show", {}, "call_s")), DONE],
        context=Account(owner="é", limit=0.00001),
        context_serializer=lambda account: account.model_dump(),
        context_deserializer=Account.model_validate,
    ),
    Scenario(
        "usage details",
        clerk,
        [
            step(
                REFUND,
                usage={
                    "input_tokens": 20,
                    "input_tokens_details": {"cached_tokens": 12},
                    "output_tokens": 9,
                    "output_tokens_details": {"reasoning_tokens": 4},
                    "total_tokens": 29,
                },
            ),
            DONE,
        ],
    ),
    Scenario(
        "input of every kind",
        clerk,
        ONE,
        run_input=[
            {"role": "developer", "content": "be kind"},
            {"role": "assistant", "content": "hello"},
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "look"},
                    {
                        "type": "input_image",
                        "image_url": "https://x.invalid/a.png",
                        "detail": "auto",
                    },
                    {
                        "type": "input_file",
                        "file_data": "data:application/pdf;base64,JVBERg==",
                        "filename": "a.pdf",
                    },
                ],
            },
        ],
    ),
    Scenario(
        "tool choice is reset",
        lambda model, ran: clerk(model, ran, model_settings=ModelSettings(tool_choice="required")),
        ONE,
    ),
    Scenario(
        "conversation", clerk, ONE, options={"conversation_id": "conv_1"}, conversations=["conv_1"]
    ),
    Scenario("previous response", clerk, ONE, options={"auto_previous_response_id": True}),
    Scenario(
        "five turns", clerk, [*[step(LOOK_UP | {"call_id": f"call_l{i}"}) for i in range(5)], *ONE]
    ),
    Scenario("no turn limit", clerk, ONE, options={"max_turns": None}),
    Scenario("chat completions", clerk, [step(says("hm"), LOOK_UP, REFUND), DONE], chat=True),
    Scenario("tool that returns an image", with_image, [step(call("photo", {}, "call_ph")), *ONE]),
    Scenario(
        "two pending, one decided",
        clerk,
        [
            step(
                call("refund", {"order": "A", "amount": 1}, "call_a"),
                call("refund", {"order": "B", "amount": 2}, "call_b"),
            ),
            DONE,
        ],
        decide=approve_once_then_none,
    ),
    Scenario(
        "two pending, one decided, session",
        clerk,
        [
            step(
                call("refund", {"order": "A", "amount": 1}, "call_a"),
                call("refund", {"order": "B", "amount": 2}, "call_b"),
            ),
            DONE,
        ],
        decide=approve_once_then_none,
        session=True,
    ),
    Scenario("extra input", clerk, [step(LOOK_UP, REFUND), DONE], extra_input="and be quick"),
    Scenario("first result ends the run", with_first_result, [step(REFUND)]),
    Scenario(
        "namespaced tool",
        with_namespace,
        [step(REFUND | {"namespace": "shop"}, refund_call(2)), DONE],
    ),
    Scenario(
        "odd texts",
        with_odd_texts,
        [
            step(
                call("odd", '{"text": "\\u0000 é", "number": 12345678901234567890}', "call_o"),
                call("long", {}, "call_l"),
            ),
            *ONE,
        ],
    ),
]
