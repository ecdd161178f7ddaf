"""``images``: build and publish our own images. Works without a daemon; docker does the work."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable, Sequence
from typing import Any

import click

from lastcall.cli.app import App, Lazy, LazyGroup, leaf, pass_app
from lastcall.cli.failures import Failure, Usage
from messages.errors import EXIT_OK

PROBE_LIMIT_S = 30.0
STDERR = 2
"""Docker's words go where they do not mix with a document."""
CONTEXT_SHOWN = "CONTEXT"
"""What stands for the folder of the context where nothing is built."""
SCHEMA = "image/v1"

images = LazyGroup(
    "images",
    lazy={
        "build": Lazy(__name__, "build", "Build the training image, or the GPU image."),
        "push": Lazy(__name__, "push", "Publish it, so that machines can start from it."),
    },
    examples=("lastcall images build --dry-run", "lastcall images build --gpu --registry someone"),
    help="Our own images, which start faster than a job that brings its libraries.",
    no_args_is_help=True,
)


def _options(run: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(
        (
            click.option("--gpu", is_flag=True, help="The GPU image, which neural_network needs."),
            click.option(
                "--registry",
                envvar=("RUNPOD_DOCKER_REGISTRY", "DOCKER_USERNAME"),
                metavar="ACCOUNT",
                help="Account it is published under (runpod.docker_registry).",
            ),
            click.option("--dry-run", is_flag=True, help="Print the docker commands and run none."),
        )
    ):
        run = option(run)
    return run


@leaf(
    "build",
    "lastcall images build --registry someone",
    "lastcall images build --gpu --registry someone --dry-run",
    json_help="Print one document.",
)
@_options
@click.option("--digest", metavar="sha256:…", help="Digest of the Python image, so that it is the very same each time.")
@click.option("--user-id", type=click.IntRange(0, 65_535), help="Whom the programs run as; 0 is root.")
@pass_app
def build(app: App, /, **options: Any) -> int:
    """Build an image for linux/amd64 with docker."""
    import tempfile
    from pathlib import Path

    from lastcall import images as made

    wanted = _wanted(gpu=options["gpu"], registry=options["registry"], digest=options["digest"])
    wanted = wanted._replace(user_id=options["user_id"])
    if options["dry_run"]:
        return _said(app, wanted.name, [made.build_command(wanted, CONTEXT_SHOWN)], as_json=options["as_json"])
    _probe(made.probe_command())
    with tempfile.TemporaryDirectory(prefix="lastcall-image-") as folder:
        made.make_context(Path(folder))
        code = _run(made.build_command(wanted, folder))
    return _ended(app, wanted.name, code, "built", as_json=options["as_json"])


@leaf(
    "push",
    "lastcall images push --registry someone",
    "lastcall images push --gpu --registry someone --dry-run",
    json_help="Print one document.",
)
@_options
@pass_app
def push(app: App, /, **options: Any) -> int:
    """Publish an image that was built; log in first: docker login."""
    from lastcall import images as made

    if not options["registry"]:
        raise Usage("It is not said where to publish the image", "Name the account: --registry ACCOUNT")
    wanted = _wanted(gpu=options["gpu"], registry=options["registry"])
    if options["dry_run"]:
        return _said(app, wanted.name, [made.push_command(wanted)], as_json=options["as_json"])
    _probe(made.probe_command())
    return _ended(app, wanted.name, _run(made.push_command(wanted)), "published", as_json=options["as_json"])


def _wanted(**given: Any) -> Any:
    from lastcall.images import Wanted, check

    wanted = Wanted(**given)
    wrong = check(wanted)
    if wrong:
        raise Usage(wrong, "Put it right, or leave it out")
    return wanted


def _said(app: App, name: str, commands: Sequence[Sequence[str]], *, as_json: bool) -> int:
    if as_json:
        app.screen.raw(
            json.dumps({"schema": SCHEMA, "image": name, "commands": [list(command) for command in commands]}).encode()
        )
        return EXIT_OK
    for command in commands:
        app.screen.out(shlex.join(command))
    return EXIT_OK


def _probe(command: Sequence[str]) -> None:
    """See that docker is there and answers. Raises Failure E-DOCKER."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=PROBE_LIMIT_S, check=False
        )
    except FileNotFoundError:
        raise Failure("E-DOCKER", "There is no docker command on this computer") from None
    except subprocess.TimeoutExpired:
        raise Failure("E-DOCKER", f"Docker did not answer within {PROBE_LIMIT_S:.0f} s") from None
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()] or ["no output"]
        raise Failure("E-DOCKER", f"Docker does not answer: {lines[-1][:200]}")


def _run(command: Sequence[str]) -> int:
    """Run docker, its words on standard error, and return its exit code."""
    return subprocess.run(command, stdout=STDERR, check=False).returncode


def _ended(app: App, name: str, code: int, done: str, *, as_json: bool) -> int:
    if code:
        raise Failure("E-DOCKER", f"docker ended with code {code}; {name} is not {done}", todo="Read its words above")
    if as_json:
        app.screen.raw(json.dumps({"schema": SCHEMA, "image": name, "state": done}).encode())
    else:
        app.screen.out(f"{name} is {done}")
    return EXIT_OK
