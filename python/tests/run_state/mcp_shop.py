"""An MCP server with one tool."""

from mcp.server import MCPServer

server = MCPServer("shop")


@server.tool()
def pay(amount: int) -> str:
    """Pay an amount."""
    return f"paid {amount}"


if __name__ == "__main__":
    server.run("stdio")
