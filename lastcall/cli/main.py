"""The ``lastcall`` command: ``lastcall.cli.main:main``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from lastcall import __version__
from lastcall.cli.app import App, Lazy, LazyGroup
from lastcall.cli.failures import BrokenConnection, Failure
from messages.errors import EXIT_FAILED, EXIT_SIGINT, EXIT_TEMPORARY, Refusal

DEBUG = "LASTCALL_DEBUG"
COMMANDS = {
    "train": Lazy("lastcall.cli.train", "train", "Plan, confirm, train and follow until the machine is gone."),
    "predict": Lazy("lastcall.cli.predict", "predict", "Run a file through a model."),
    "ps": Lazy("lastcall.cli.jobs", "ps", "List jobs."),
    "logs": Lazy("lastcall.cli.logs", "logs", "Show a job's log."),
    "wait": Lazy("lastcall.cli.jobs", "wait", "Wait until a job is over; its outcome is the exit code."),
    "stop": Lazy("lastcall.cli.stop", "stop", "End jobs and their machines."),
    "machines": Lazy("lastcall.cli.machines", "machines", "What the provider says exists."),
    "cost": Lazy("lastcall.cli.cost", "cost", "What was spent, and what is left."),
    "models": Lazy("lastcall.cli.models", "models", "Trained models."),
    "data": Lazy("lastcall.cli.data", "data", "Data sets."),
    "events": Lazy("lastcall.cli.logs", "events", "Who did what: the audit and job history."),
    "status": Lazy("lastcall.cli.status", "status", "Health, jobs, machines and money on one screen."),
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
        code = cli.main(
            args=None if arguments is None else list(arguments), prog_name="lastcall", standalone_mode=False
        )
    except click.exceptions.Abort:
        return _say("Nothing was started.", EXIT_SIGINT)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except KeyboardInterrupt:
        return _say("", EXIT_SIGINT)
    except Failure as failure:
        return _fail(failure)
    except Refusal as refusal:
        return _fail(Failure.of_refusal(refusal))
    except BrokenConnection:
        return _fail(_broken())
    except BrokenPipeError:
        # Whoever read our output has enough. What is still buffered goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except Exception as error:
        return _fail(_fault(error))
    return code if isinstance(code, int) else 0


def _broken() -> Failure:
    failure = Failure(
        "E-BUSY",
        "The connection to Lastcall broke",
        money="Machines go on under their own limits.",
        todo="Look: lastcall status",
    )
    failure.exit = EXIT_TEMPORARY
    return failure


def _fault(error: Exception) -> Failure:
    if os.environ.get(DEBUG):
        import traceback

        traceback.print_exception(error)
    return Failure(
        "E-INTERNAL",
        f"This command has a fault: {type(error).__name__}",
        money="Machines go on under their own limits.",
        todo=f"See what happened with {DEBUG}=1, and please report it",
    )


def _fail(failure: Failure) -> int:
    from lastcall.cli.text import clean

    lines = failure.lines()
    for number, line in enumerate(lines):
        red = number == 0 and sys.stderr.isatty() and not os.environ.get("NO_COLOR")
        shown = "\n".join(clean(part) for part in line.split("\n"))
        sys.stderr.write(f"\x1b[31m{shown}\x1b[0m\n" if red else f"{shown}\n")
    return failure.exit


def _say(text: str, code: int) -> int:
    sys.stderr.write(f"\n{text}\n" if text else "\n")
    return code
