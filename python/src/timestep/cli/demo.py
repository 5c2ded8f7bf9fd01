"""timestep demo: runs that one language begins and the other finishes, both ways round.

First the run is paused for a person. Then its process is killed.

Exit codes:
  0  all runs were finished and no tool ran twice; a no to a refund is an answer too
  1  something is missing or failed; one message on standard error says what
  2  the command line was wrong, or nobody can be asked: no terminal and no --yes
130  interrupted; no process is left behind
"""

import argparse
import sys

from timestep.cli.output import Commands, add_json_option, print_json
from timestep.database import open_database_sync
from timestep.demo import (
    Call,
    Decision,
    Person,
    Relay,
    Stage,
    Takeover,
    chosen_model,
    python,
    typescript,
)

DONE = 0
WRONG_COMMAND_LINE = 2
ORDERS = ("4711", "4712", "4713", "4714")


def add_parser(commands: Commands) -> None:
    """Add `timestep demo`."""
    meaning = "pause or kill a run in one language and finish it in the other, both ways round"
    parser = commands.add_parser("demo", help=meaning, description=meaning)
    parser.add_argument("--yes", action="store_true", help="approve; needed without a terminal")
    add_json_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Play all runs."""
    if not arguments.yes and not sys.stdin.isatty():
        print(
            "timestep: the demo asks a person to approve, but standard input is no terminal. "
            "Run it in a terminal, or approve everything: timestep demo --yes",
            file=sys.stderr,
        )
        return WRONG_COMMAND_LINE
    stage = Stage(quiet=arguments.json)
    person = Person(on_error_output=arguments.json)

    def decide(call: Call) -> Decision:
        if not arguments.yes:
            return person.decide(call)
        stage.say("decision", "approved, because of --yes")
        return Decision(approve=True)

    stage.welcome()
    languages = [python(), typescript()]
    database = open_database_sync()
    try:
        with chosen_model() as model:
            stage.introduce(database.location, model)
            relay = Relay(model=model, database=database, decide=decide, tell=stage.hear)
            reports = [
                stage.play(relay, languages, ORDERS[0]),
                stage.play(relay, languages[::-1], ORDERS[1]),
            ]
            stage.second_act()
            takeover = Takeover(model=model, database=database, tell=stage.hear)
            takeovers = [
                stage.play_takeover(takeover, languages, ORDERS[2]),
                stage.play_takeover(takeover, languages[::-1], ORDERS[3]),
            ]
            stage.farewell(database.location)
    finally:
        database.close_sync()
    if arguments.json:
        about = {"database": database.location.display, "model": model.description}
        print_json(
            {
                **about,
                "runs": [report.document() for report in reports],
                "takeovers": [report.document() for report in takeovers],
            }
        )
    return DONE
