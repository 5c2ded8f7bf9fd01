"""What every test may ask for."""

from hypothesis import settings
from support.models import model_server
from support.postgres import (
    anyio_backend,
    database_url,
    empty_database_url,
    migrated_template,
    no_database_by_accident,
    postgres_server,
)
from support.refunds import model

__all__ = [
    "anyio_backend",
    "database_url",
    "empty_database_url",
    "migrated_template",
    "model",
    "model_server",
    "no_database_by_accident",
    "postgres_server",
]

# No test is a matter of time: machines are busy.
settings.register_profile("timestep", deadline=None)
settings.load_profile("timestep")
