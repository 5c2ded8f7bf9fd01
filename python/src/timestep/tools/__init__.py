"""Tools that agents of both languages know by the same name and arguments."""

from timestep.tools.web_search import web_search

__all__ = ["web_search"]
