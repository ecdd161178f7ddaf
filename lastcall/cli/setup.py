"""``setup``: works without a daemon. What it does is loaded when it is called (``lastcall.setup``)."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lastcall.cli.app import App, Lazy, LazyGroup, leaf, pass_app
from lastcall.cli.marks import marked
from lastcall.cli.text import clean, wrap
from messages.errors import EXIT_SIGINT

if TYPE_CHECKING:
    from lastcall.cli.screen import Screen

setup = LazyGroup(
    "setup",
    lazy={
        "runpod": Lazy(__name__, "runpod", "Make a RunPod account ready."),
        "aws": Lazy(__name__, "aws", "Make an AWS account ready."),
    },
    examples=("lastcall setup runpod --dry-run", "lastcall setup runpod", "lastcall setup aws --dry-run"),
    help="Make an account ready for trainings, and see that it is.",
    no_args_is_help=True,
)
MARKS = {"done": "✔", "unchanged": "✔", "planned": "…", "skipped": "–", "failed": "✖"}
MEASURED = {
    "create_s": "create, call to answer",
    "list_lag_s": "list lag, answer to listed",
    "start_s": "start, answer to first file",
    "restart_s": "restart of the container",
    "delete_lag_s": "delete lag, call to not found",
    "proof_s": "proof, not found to proven",
    "ended_and_proven_s": "ended from here and proven",
}
STYLES = {"failed": "red", "planned": "yellow", "skipped": "yellow"}


class TerminalPerson:
    """Whoever sits at the terminal, or the script that called."""

    def __init__(self, screen: Screen, *, yes: bool, quiet: bool) -> None:
        self._screen = screen
        self._yes = yes
        self._quiet = quiet

    def told(self, step: Any) -> None:
        """Print one finished step."""
        columns = self._screen.message_columns if self._quiet else self._columns()
        for line in marked(MARKS[step.state], step.name, step.detail, step.next, columns):
            (self._screen.say if self._quiet else self._screen.out)(line, STYLES.get(step.state, ""))

    def waits(self, text: str) -> None:
        """Print what is going on."""
        self._screen.say(clean(text))

    def agrees(self, question: str) -> bool:
        """Ask; ``--yes`` answers, and without a terminal nobody does."""
        if self._yes:
            return True
        if not self._screen.in_tty:
            self._screen.say(f"{question} No: there is no terminal to ask on; --yes agrees.")
            return False
        with _interruptible():
            return click.confirm(question, default=False, err=True)

    def secret(self, what: str) -> str | None:
        """Read a secret without echo, or a line from a pipe."""
        if self._screen.in_tty:
            with _interruptible():
                return str(click.prompt(what, hide_input=True, err=True))
        line = sys.stdin.readline() if sys.stdin is not None else ""
        return line.strip() or None

    def types(self, what: str) -> str | None:
        """Have a word typed, or read a line from a pipe; ``--yes`` stands for none."""
        if self._screen.in_tty:
            with _interruptible():
                return str(click.prompt(what, default="", show_default=False, err=True))
        return self.secret(what)

    def _columns(self) -> int:
        return self._screen.columns or self._screen.message_columns


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C end a question at once: the event loop underneath would only note it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@leaf(
    "runpod",
    "lastcall setup runpod --dry-run",
    "lastcall setup runpod --data-center EU-RO-1 --size 50",
    "lastcall setup runpod --yes --store-keys < keys.txt",
    json_help="Print one JSON document.",
)
@click.option("--dry-run", is_flag=True, help="Change nothing, and say what would be done.")
@click.option("--data-center", metavar="DC", help="Where a new network volume goes, such as EU-RO-1.")
@click.option("--volume", metavar="ID", help="Use this network volume.")
@click.option("--size", type=click.IntRange(10, 4096), metavar="GB", help="Size of a new volume; 100 when left out.")
@click.option("--again", is_flag=True, help="Try self-ending again although it was proven.")
@click.option("--store-keys/--no-store-keys", default=None, help="Keep keys in the file, or never; else it asks.")
@click.option("-y", "--yes", is_flag=True, help="Agree to the volume's price and to the trial.")
@pass_app
def runpod(app: App, /, yes: bool, as_json: bool, **options: Any) -> int:
    """Check the key, find or make the volume, try storage and self-ending, write the configuration.

    Keys come from the configuration, the environment, or are asked for; from a pipe one line each is read: API key,
    S3 access key, S3 secret key, those that are not set.
    """
    from lastcall.setup.command import Place, set_up_runpod
    from lastcall.setup.runpod import Wishes
    from lastcall.setup.volumes import SIZE_GB, VolumeWish

    centre = options["data_center"]
    wish = VolumeWish(options["volume"], centre.upper() if centre else None, options["size"] or SIZE_GB)
    wishes = Wishes(wish, options["dry_run"], options["again"], _storing(options["store_keys"], yes=yes))
    place = Place(os.environ, Path.cwd(), app.config, app.state_dir)
    person = TerminalPerson(app.screen, yes=yes, quiet=as_json)
    return _shown(app, as_json, "no pod was left running", lambda: set_up_runpod(place, wishes, person))


@leaf(
    "aws",
    "lastcall setup aws --dry-run",
    "lastcall setup aws --region eu-central-1 --alarm-email you@example.com",
    "lastcall setup aws --destroy",
    json_help="Print one JSON document.",
)
@click.option("--dry-run", is_flag=True, help="Change nothing; say what would be done, and print the policies.")
@click.option("--destroy", is_flag=True, help="Remove what this command made; data only when its bucket is typed.")
@click.option("--region", metavar="REGION", help="Where everything is, such as eu-central-1.")
@click.option("--bucket", metavar="NAME", help="The bucket; lastcall-ACCOUNT-REGION when left out.")
@click.option("--alarm-email", metavar="ADDRESS", help="Whom AWS writes to when the account's bill grows.")
@click.option("-y", "--yes", is_flag=True, help="Agree to what is made, changed or removed; never to deleting data.")
@pass_app
def aws(app: App, /, yes: bool, as_json: bool, **options: Any) -> int:
    """Make buckets, roles, security group, log group and budget alarm, try storage, write the configuration.

    Keys come from the configuration, the environment, a profile or a role. They need the setup policy that --dry-run
    prints; the daemon needs the daemon policy only.
    """
    from lastcall.setup.command import Place, needed_library, set_up_aws

    with needed_library():
        from lastcall.setup.aws import AwsWishes

    named = ("region", "bucket", "alarm_email")
    told = {f"aws.{name}": options[name] for name in named if options[name] is not None}
    wishes = AwsWishes(dry_run=options["dry_run"], destroy=options["destroy"])
    place = Place(os.environ, Path.cwd(), app.config, app.state_dir)
    person = TerminalPerson(app.screen, yes=yes, quiet=as_json)
    return _shown(app, as_json, "nothing of it costs by the hour", lambda: set_up_aws(place, told, wishes, person))


def _shown(app: App, as_json: bool, harmless: str, work: Callable[[], Any]) -> int:
    """Run a setup and show what it told; ``harmless`` says what an interruption left where nothing is known."""
    try:
        report = work()
    except KeyboardInterrupt as stop:
        app.screen.say()
        _say_left(app.screen, getattr(stop, "left", ()), harmless)
        return EXIT_SIGINT
    if as_json:
        app.screen.raw(json.dumps(report.document(), ensure_ascii=False).encode())
    else:
        _show_measured(app, report.measured)
        _show_policies(app, report.policies)
    return int(report.exit_code)


def _say_left(screen: Screen, left: Sequence[str], harmless: str) -> None:
    """Say what an interrupted setup may have left; only what is known to be gone counts as gone."""
    if not left:
        screen.say(f"Interrupted; {harmless}. Run it again: it goes on where it was.")
        return
    screen.say("Interrupted, and not sure of everything:")
    for line in left:
        for part in wrap(f"! {clean(line)}", screen.message_columns, "  "):
            screen.say(part, "red")


def _storing(wish: bool | None, *, yes: bool) -> bool | None:
    """``--yes`` agrees to prices, never to keeping keys in a file."""
    return False if wish is None and yes else wish


def _show_measured(app: App, measured: dict[str, float | None]) -> None:
    if measured:
        app.screen.out("Measured:")
    for name, value in measured.items():
        shown = "not seen" if value is None else f"{value:.1f} s"
        app.screen.out(f"  {MEASURED.get(name, name):<34}{shown:>8}")


def _show_policies(app: App, policies: dict[str, Any]) -> None:
    for name, document in policies.items():
        app.screen.out(f"Policy {name}:")
        for line in json.dumps(document, indent=2).splitlines():
            app.screen.out(f"  {line}")
