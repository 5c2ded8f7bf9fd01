"""A run that outlives its process. Kill it while it ships, and start it again, here or there.

python 07_durable_run.py order-1     kill it with kill -9 when it says so
node 07_durable_run.ts order-1       or: python 07_durable_run.py order-1
"""

import asyncio
import os
import sys
from typing import Any

from agents import Agent, RunContextWrapper, function_tool
from timestep import (
    configure_dbos,
    ensure_dbos_launched,
    idempotency_key,
    run_agent_workflow,
)


@function_tool
def charge(context: RunContextWrapper[Any], amount: int) -> str:
    """Take money from the customer."""
    print(f"Charging {amount}, with the key {idempotency_key(context)}", flush=True)
    return f"Charged {amount}."


@function_tool
async def ship(context: RunContextWrapper[Any]) -> str:
    """Send the parcel."""
    print(f"Shipping, with the key {idempotency_key(context)}", flush=True)
    print(f"  now is the time: kill -9 {os.getpid()}", flush=True)
    await asyncio.sleep(5)
    return "The parcel is on its way."


agent = Agent(
    name="fulfilment",
    model="gpt-4.1",
    instructions="Charge the customer, then ship. One tool after the other; do not ask back.",
    tools=[charge, ship],
)


async def main(run_id: str) -> None:
    # After so many seconds of silence a process counts as dead. The default is 30.
    configure_dbos(lease_seconds=3)
    ensure_dbos_launched()
    result = await run_agent_workflow(agent, "One blue cup for 42, please.", workflow_id=run_id)
    print(result.final_output)


if len(sys.argv) != 2:
    sys.exit(__doc__)
asyncio.run(main(sys.argv[1]))
