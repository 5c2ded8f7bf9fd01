"""Ask a small model first, and a large one when the answer cannot be used.

python 05_fallback.py                       local Ollama, then OpenAI
"""

import asyncio

from agents import Agent, ModelBehaviorError
from pydantic import BaseModel
from timestep import run_agent

MODELS = ["ollama/gpt-oss:20b", "gpt-4.1"]


class Refund(BaseModel):
    order: str
    amount: int


async def read_refund(letter: str) -> Refund:
    """Return what the letter asks for, by the first model that understands it."""
    agent = Agent(name="reader", instructions="What is to be refunded?", output_type=Refund)
    for model in MODELS[:-1]:
        try:
            return (await run_agent(agent.clone(model=model), letter)).final_output
        except ModelBehaviorError:
            print(f"{model} gave no usable answer.")
    return (await run_agent(agent.clone(model=MODELS[-1]), letter)).final_output


refund = asyncio.run(read_refund("Please pay back the 25 for my order 4711. Ada"))
print(f"Order {refund.order}: {refund.amount}")
