"""Where the demo happens: a fresh state directory with a daemon of its own, and a stage for its words."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from lastcall.cli.client import Client
from lastcall.cli.failures import BrokenConnection, Failure
from lastcall.paths import UNIX_SCHEME, Places, default_socket
from messages.errors import EXIT_FAILED, Refusal

STATE = "state"
READY_S = 20.0
"""Longest wait for the daemon to answer."""
STOP_S = 30.0
"""Longest wait for the daemon to leave in order."""
POLL_S = 0.05
LOOK_S = 0.5
"""Between two looks at the daemon while a command runs."""


class DemoFailed(Exception):
    """The demo could not be shown; one line says why, and ``exit`` is the status it ends with."""

    def __init__(self, line: str, status: int = EXIT_FAILED) -> None:
        super().__init__(line)
        self.exit = status


class Stage:
    """Where the demo's words go: to standard error when standard output is for JSON."""

    def __init__(self, *, json_output: bool, colour: bool | None) -> None:
        self.stream = sys.stderr if json_output else sys.stdout
        self.json_output = json_output
        plain = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb"
        self.colour = colour if colour is not None else self.stream.isatty() and not plain

    def say(self, text: str = "") -> None:
        """Write a line; a terminal or reader that went away does not keep the demo from cleaning up."""
        try:
            self.stream.write(text + "\n")
            self.stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())
            os.close(nowhere)

    def heading(self, text: str) -> None:
        """Write a line that stands out."""
        self.say(f"\n\x1b[1m{text}\x1b[0m" if self.colour else f"\n{text}")


class House:
    """A fresh state directory, the daemon in it, and the commands that speak to it."""

    def __init__(self, root: Path, stage: Stage) -> None:
        self.root = root
        self.state = root / STATE
        self.stage = stage
        self.daemon: subprocess.Popen[bytes] | None = None
        self.answered = False
        """Whether its daemon was ever up: before that nothing can have been rented."""
        socket = default_socket(self.state)
        self.client = Client(Places(self.state, socket, f"{UNIX_SCHEME}{socket}", host_chosen=False))

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment without any setting of a real installation."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("LASTCALL_", "RUNPOD_", "AWS_", "TELEGRAM_"))}
        return kept | {
            "LASTCALL_STATE_DIR": str(self.state),
            "LASTCALL_LOGGING_LEVEL": "warning",
            "CLOUD_PROVIDER": "local",
            "XDG_CONFIG_HOME": str(self.root / "no-config"),
        }

    def start(self) -> None:
        """Start the daemon and wait until it answers. It lives in a session of its own: Ctrl-C does not reach it."""
        log = self.root / "daemon.log"
        with log.open("ab") as errors:
            self.daemon = subprocess.Popen(
                [sys.executable, "-m", "lastcall", "daemon"],
                cwd=self.root,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                start_new_session=True,
            )
        until = time.monotonic() + READY_S
        while not self._answers():
            if self.daemon.poll() is not None or time.monotonic() > until:
                said = log.read_text(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
                raise DemoFailed(f"The daemon did not start: {said[0]}")
            time.sleep(POLL_S)
        self.answered = True

    def start_again(self) -> None:
        """Start the daemon anew where it was up and is gone: it takes over what it left."""
        if self.answered and self.daemon is not None and self.daemon.poll() is not None:
            self.start()

    def _answers(self) -> bool:
        try:
            self.client.get("/v1/version")
        except (Failure, BrokenConnection, Refusal, OSError):
            return False
        return True

    def command(self, *argv: str, quiet: bool = False) -> int:
        """Show a command and run it as a person would; return its status. Raises BrokenConnection without a daemon."""
        if not quiet:
            self.stage.heading(f"$ lastcall {' '.join(argv)}")
        stream = subprocess.DEVNULL if quiet else self.stage.stream
        errors = subprocess.DEVNULL if quiet else None
        argv = (sys.executable, "-m", "lastcall", *argv)
        with subprocess.Popen(argv, cwd=self.root, env=self.environment, stdout=stream, stderr=errors) as running:
            try:
                return self._status_of(running)
            except BaseException:
                running.kill()
                raise

    def _status_of(self, running: subprocess.Popen[bytes]) -> int:
        """Wait for a command; commands wait for a daemon to come back, which here it would not by itself."""
        while True:
            try:
                return running.wait(LOOK_S)
            except subprocess.TimeoutExpired:
                if self.daemon is None or self.daemon.poll() is not None:
                    raise BrokenConnection from None

    def stop(self) -> None:
        """End the daemon in order; whatever it does, it is gone afterwards."""
        if self.daemon is None or self.daemon.poll() is not None:
            return
        self.daemon.send_signal(signal.SIGTERM)
        try:
            self.daemon.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            self.daemon.wait()
