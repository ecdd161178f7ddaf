"""How a command ends that did not end well: words on standard error, and the exit code. Loaded only then."""

from __future__ import annotations

import os
import sys

import click

from lastcall.cli.failures import BrokenConnection, Failure
from lastcall.cli.text import clean
from messages.errors import EXIT_FAILED, EXIT_SIGINT, EXIT_TEMPORARY, Refusal

DEBUG = "LASTCALL_DEBUG"
_STILL_RUNS = "Machines go on under their own limits."


def ending_of(error: BaseException) -> int:
    """Say what ``error`` means and return the exit code."""
    match error:
        case click.exceptions.Abort():
            return _interrupted("Nothing was started.")
        case KeyboardInterrupt():
            return _interrupted("")
        case Failure():
            return _fail(error)
        case Refusal():
            return _fail(Failure.of_refusal(error))
        case BrokenConnection():
            return _fail(_broken())
        case BrokenPipeError():
            # Whoever read our output has enough. What is still buffered goes nowhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return EXIT_FAILED
        case _:
            return _fail(_fault(error))


def _interrupted(text: str) -> int:
    sys.stderr.write(f"\n{text}\n" if text else "\n")
    return EXIT_SIGINT


def _broken() -> Failure:
    failure = Failure("E-BUSY", "The connection to Lastcall broke", money=_STILL_RUNS, todo="Look: lastcall status")
    failure.exit = EXIT_TEMPORARY
    return failure


def _fault(error: BaseException) -> Failure:
    if os.environ.get(DEBUG):
        import traceback

        traceback.print_exception(error)
    return Failure(
        "E-INTERNAL",
        f"This command has a fault: {type(error).__name__}",
        money=_STILL_RUNS,
        todo=f"See what happened with {DEBUG}=1, and please report it",
    )


def _fail(failure: Failure) -> int:
    for number, line in enumerate(failure.lines()):
        red = number == 0 and sys.stderr.isatty() and not os.environ.get("NO_COLOR")
        shown = "\n".join(clean(part) for part in line.split("\n"))
        sys.stderr.write(f"\x1b[31m{shown}\x1b[0m\n" if red else f"{shown}\n")
    return failure.exit
