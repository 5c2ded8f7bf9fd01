"""Calls of the functions in the schema."""


def calling(function: str, count: int) -> str:
    """Return the statement that calls a function of the schema with so many arguments."""
    return f"select * from timestep.{function}({', '.join(['%s'] * count)})"  # noqa: S608 - our own names
