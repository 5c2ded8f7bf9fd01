"""timestep db: the embedded PostgreSQL, the address in use, the schema."""

import argparse

from timestep.cli.output import Commands, add_json_option, print_facts, print_json
from timestep.database import embedded
from timestep.database.connect import connect
from timestep.database.migrate import migrate
from timestep.database.resolve import Choice, configured, find, find_without_starting
from timestep.errors import DatabaseUnavailableError

DONE = 0
NOT_RUNNING = 3
STATES = {
    "absent": "not created; it is on first use",
    "stopped": "stopped; it starts on first use",
    "starting": "starting or stopping",
    "running": "running",
}


def add_parser(commands: Commands) -> None:
    """Add `timestep db` and its commands."""
    meaning = "the embedded PostgreSQL, the address, the schema"
    parser = commands.add_parser("db", help=meaning, description=meaning)
    actions = parser.add_subparsers(required=True, metavar="action")
    for name, run, meaning in (
        ("start", start, "start the embedded PostgreSQL and keep it up until `timestep db stop`"),
        ("stop", stop, "stop the embedded PostgreSQL"),
        ("status", status, "say whether the embedded PostgreSQL runs (exit code 3: it does not)"),
        ("url", url, "print the address of the database in use, WITH its password"),
        ("migrate", migrate_schema, "bring the schema of the database in use up to date"),
    ):
        action = actions.add_parser(name, help=meaning, description=meaning)
        add_json_option(action)
        action.set_defaults(run=run)
        if name == "stop":
            action.add_argument("--force", action="store_true", help="even if processes use it")


def start(arguments: argparse.Namespace) -> int:
    """Start the embedded server and keep it up."""
    server = embedded.keep_running()
    return _show_status(arguments, f"running, kept up; its data lies in {server.folder}")


def stop(arguments: argparse.Namespace) -> int:
    """Stop the embedded server."""
    stopped = embedded.stop_for_good(force=arguments.force)
    if arguments.json:
        print_json({"stopped": stopped})
    else:
        print("stopped" if stopped else "it was not running")
    return DONE


def status(arguments: argparse.Namespace) -> int:
    """Say whether the embedded server runs."""
    return _show_status(arguments)


def url(arguments: argparse.Namespace) -> int:
    """Print the address of the database in use."""
    choice = configured() or find_without_starting()
    if choice is None:
        raise DatabaseUnavailableError(
            "The database in use would be the embedded PostgreSQL, which does not run and has no "
            "address until it does. Start it: timestep db start."
        )
    if arguments.json:
        print_json({"url": choice.address.url, "source": choice.source})
    else:
        print(choice.address.url)
    return DONE


def migrate_schema(arguments: argparse.Namespace) -> int:
    """Bring the schema up to date."""
    choice: Choice = configured() or find()
    with connect(choice.address, source=choice.origin) as connection:
        applied = migrate(connection)
    where = f"{choice.address.display} ({choice.origin})"
    if arguments.json:
        print_json({"database": where, "applied": applied})
    else:
        done = f"applied {', '.join(map(str, applied))}" if applied else "was up to date"
        print(f"{where}: {done}")
    return DONE


def _show_status(arguments: argparse.Namespace, words: str | None = None) -> int:
    found = embedded.status()
    if arguments.json:
        print_json(
            {
                "state": found.state,
                "folder": found.folder and str(found.folder),
                "process": found.process,
                "port": found.port,
            }
        )
    else:
        print_facts(
            {
                "state": words or STATES[found.state],
                "folder": found.folder,
                "process": found.process,
                "port": found.port,
            }
        )
    return DONE if found.state == "running" else NOT_RUNNING
