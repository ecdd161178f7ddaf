"""``daemon``, ``demo`` and ``version``."""

from __future__ import annotations

import gc
import json
from importlib import import_module

import click

from lastcall import __version__
from lastcall.cli.app import App, leaf, pass_app
from lastcall.cli.failures import BrokenConnection, Failure

API = (1, 1)
"""Oldest and newest API number this command line speaks."""


@leaf("daemon", "lastcall daemon", "lastcall daemon --json 2> lastcall.log", json_help="Log as JSON lines.")
@pass_app
def daemon(app: App, as_json: bool) -> int:
    """Run Lastcall in the foreground. Ctrl-C stops it; machines keep running under their own timers."""
    gc.disable()  # what is loaded stays: looking through it for what could be freed takes a tenth of the start
    run = import_module("lastcall.daemon").main
    gc.freeze()
    gc.enable()
    return int(run(json_output=as_json, host=app.host, state_dir=app.state_dir, config=app.config) or 0)


@leaf("demo", "lastcall demo", "lastcall demo --keep ./demo", json_help="Print one JSON document at the end.")
@click.option("--keep", metavar="DIR", help="Leave everything in this new directory.")
@pass_app
def demo(app: App, keep: str | None, as_json: bool) -> int:
    """Train a real model on real data on this computer, watch it, and see the machine go."""
    run = import_module("lastcall.demo").main
    return int(run(json_output=as_json, colour=app.colour, keep=keep) or 0)


@leaf("version", "lastcall version", "lastcall version --json")
@pass_app
def version(app: App, as_json: bool) -> int:
    """Show the version of this command, and of the daemon if one runs."""
    try:
        running = app.client.get("/v1/version")
    except (Failure, BrokenConnection):
        running = None
    if as_json:
        own = json.dumps({"schema": "version/v1", "version": __version__, "api": list(API)}).encode()
        app.screen.raw(own if running is None else running.raw)
        return 0
    app.screen.out(f"lastcall {__version__}")
    if running is None:
        app.screen.say("No daemon is running.")
        return 0
    oldest, newest = running.document["api"]
    app.screen.out(f"daemon   {running.document['version']} (API {oldest} to {newest})")
    if newest < API[0] or oldest > API[1]:
        app.screen.say("They do not understand each other: bring both to the same version.", style="yellow")
    return 0
