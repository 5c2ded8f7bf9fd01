"""An agent on a model at Ollama, on this machine or in the cloud.

python 04_ollama.py ollama/gpt-oss:20b            local; first: ollama pull gpt-oss:20b
python 04_ollama.py ollama/gpt-oss:20b-cloud      Ollama Cloud; needs OLLAMA_API_KEY
"""

import asyncio
import sys

from agents import Agent, ModelSettings, function_tool
from timestep import run_agent


@function_tool
def weather(city: str) -> str:
    """Tell the weather in a city."""
    return f"It rains in {city}."


async def main(model: str) -> None:
    agent = Agent(
        name="assistant",
        model=model,
        model_settings=ModelSettings(temperature=0.2),  # Ollama's own is 1.0
        tools=[weather],
    )
    result = await run_agent(agent, "Do I need an umbrella in Lyon?")
    print(result.final_output)
    usage = result.context_wrapper.usage
    print(f"{usage.requests} requests, {usage.total_tokens} tokens")


asyncio.run(main(*sys.argv[1:2] or ["ollama/gpt-oss:20b"]))
