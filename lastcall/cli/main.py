"""The ``lastcall`` command: ``lastcall.cli.main:main``."""

from __future__ import annotations

from collections.abc import Sequence

import click

from lastcall import __version__
from lastcall.cli.app import App, Lazy, LazyGroup

COMMANDS = {
    "train": Lazy("lastcall.cli.train", "train", "Plan, confirm, train and follow until the machine is gone."),
    "predict": Lazy("lastcall.cli.predict", "predict", "Run a file through a model."),
    "compare": Lazy("lastcall.cli.compare", "compare", "Two models beside each other, and which is better."),
    "reproduce": Lazy("lastcall.cli.compare", "reproduce", "Do a job once more, and say whether the same comes out."),
    "ps": Lazy("lastcall.cli.jobs", "ps", "List jobs."),
    "logs": Lazy("lastcall.cli.logs", "logs", "Show a job's log."),
    "wait": Lazy("lastcall.cli.jobs", "wait", "Wait until a job is over; its outcome is the exit code."),
    "stop": Lazy("lastcall.cli.stop", "stop", "End jobs and their machines."),
    "machines": Lazy("lastcall.cli.machines", "machines", "What the provider says exists."),
    "reap": Lazy("lastcall.cli.reap", "reap", "End overdue machines without a daemon."),
    "cost": Lazy("lastcall.cli.cost", "cost", "What was spent, and what is left."),
    "models": Lazy("lastcall.cli.models", "models", "Trained models."),
    "data": Lazy("lastcall.cli.data", "data", "Data sets."),
    "events": Lazy("lastcall.cli.logs", "events", "Who did what: the audit and job history."),
    "status": Lazy("lastcall.cli.status", "status", "Health, jobs, machines and money on one screen."),
    "setup": Lazy("lastcall.cli.setup", "setup", "Make an account ready for trainings."),
    "images": Lazy("lastcall.cli.images", "images", "Build and publish our own images."),
    "doctor": Lazy("lastcall.cli.doctor", "doctor", "Check everything, and say how to put right what is not."),
    "config": Lazy("lastcall.cli.config", "config", "The configuration and where it comes from."),
    "daemon": Lazy("lastcall.cli.system", "daemon", "Run Lastcall in the foreground."),
    "demo": Lazy("lastcall.cli.system", "demo", "Train a real model on this computer in a minute."),
    "version": Lazy("lastcall.cli.system", "version", "Versions of this command and of the daemon."),
}
EXIT_CODES = """\
Exit codes:
  0 ok · 1 failed · 2 usage · 3 no daemon · 4 not permitted · 5 not found
  6 conflict · 7 refused or over budget · 8 timed out waiting · 10 job failed
  11 job stopped · 12 job interrupted · 75 try again later · 78 configuration
  130 interrupted"""


@click.group(
    cls=LazyGroup,
    lazy=COMMANDS,
    examples=(
        "lastcall demo                               see it work, no account needed",
        "lastcall train data.csv --target churn      plan, confirm, train",
        "lastcall ps                                 what runs",
        "lastcall stop --all                         end every machine",
    ),
    epilogue=EXIT_CODES,
    no_args_is_help=True,
)
@click.option("--host", metavar="unix:///PATH", help="Socket of the daemon (LASTCALL_HOST).")
@click.option("--state-dir", metavar="DIR", help="State directory (LASTCALL_STATE_DIR).")
@click.option("--config", metavar="FILE", help="Configuration file (LASTCALL_CONFIG).")
@click.option("--no-color", is_flag=True, help="No colours (NO_COLOR).")
@click.version_option(__version__, prog_name="lastcall", message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context, host: str | None, state_dir: str | None, config: str | None, no_color: bool) -> None:
    """Train on rented machines. Nothing stays on."""
    context.obj = App(host=host, state_dir=state_dir, config=config, colour=False if no_color else None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Nothing a command raises reaches the user as a traceback."""
    try:
        given = None if arguments is None else list(arguments)
        code = cli.main(args=given, prog_name="lastcall", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (Exception, KeyboardInterrupt) as error:
        from lastcall.cli.endings import ending_of

        return ending_of(error)
    return code if isinstance(code, int) else 0
