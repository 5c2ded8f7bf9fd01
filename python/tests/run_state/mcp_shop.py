"""An MCP server with one tool."""

from mcp.server.fastmcp import FastMCP

server = FastMCP("shop", log_level="ERROR")


@server.tool()
def pay(amount: int) -> str:
    """Pay an amount."""
    return f"paid {amount}"


if __name__ == "__main__":
    server.run()
