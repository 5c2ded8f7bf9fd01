"""PostgreSQL: which one, its schema, and statements to it."""

from timestep.database.database import Database, open_database, open_database_sync
from timestep.database.resolve import DatabaseLocation

__all__ = ["Database", "DatabaseLocation", "open_database", "open_database_sync"]
