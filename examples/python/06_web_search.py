"""An agent that searches the web. Needs FIRECRAWL_API_KEY.

python 06_web_search.py "How high is Mont Blanc?"
"""

import asyncio
import sys

from agents import Agent
from timestep import run_agent, web_search

agent = Agent(
    name="researcher",
    model="gpt-4.1",
    instructions="Search before you answer, and name your source.",
    tools=[web_search],
)


async def main(question: str) -> None:
    result = await run_agent(agent, question)
    for item in result.new_items:
        if item.type == "tool_call_output_item":
            print(f"{item.output}\n")
    print(result.final_output)


asyncio.run(main(sys.argv[1]))
