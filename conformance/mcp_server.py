"""A local MCP server that both languages start: a ledger."""

from mcp.server import MCPServer

server = MCPServer("ledger")


@server.tool()
def balance(account: str) -> str:
    """Return the balance of an account."""
    return f"{account}: 12.50"


if __name__ == "__main__":
    server.run("stdio")
