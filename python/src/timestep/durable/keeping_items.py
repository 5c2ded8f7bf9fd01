"""Whether an agent loop does with its items nothing but keep them in order.

Only then is it known without running it what its next request is made of.
"""

from collections.abc import Mapping
from typing import Any

from agents import Agent, FunctionTool, Handoff, RunConfig

from timestep.durable.registry import reachable


def keeps_items(agent: Agent[Any], options: Mapping[str, Any], config: RunConfig) -> bool:
    """Return whether the loop's requests are its input and its items, in order and unchanged.

    Args:
        agent: The agent that the loop begins with.
        options: What the SDK's runner is given beside it.
        config: How the loop is run.
    """
    if options.get("conversation_id") or options.get("previous_response_id"):
        return False
    rewriting = (
        config.handoff_input_filter,
        config.nest_handoff_history,
        config.session_input_callback,
        config.session_settings,
        config.input_guardrails,
        config.reasoning_item_id_policy,
    )
    return not any(rewriting) and all(map(_keeps_items, reachable(agent)))


def _keeps_items(agent: Agent[Any]) -> bool:
    if agent.tool_use_behavior != "run_llm_again" or agent.input_guardrails:
        return False
    tools = [tool for tool in agent.tools if isinstance(tool, FunctionTool)]
    if any(tool.tool_input_guardrails or tool.tool_output_guardrails for tool in tools):
        return False
    if any(tool.custom_data_extractor for tool in tools):
        return False
    handoffs = [handoff for handoff in agent.handoffs if isinstance(handoff, Handoff)]
    return not any(handoff.input_filter or handoff.nest_handoff_history for handoff in handoffs)
