"""Try Lastcall on a real account: ``./dev live runpod``. Costs real money, two dollars at the very most.

    python -m tools.live runpod [--mib 1,64,160]

Only where somebody asks for it: the keys must be in the environment, and it never runs in CI. What it measures is
printed, what it rented is ended and proven gone, what it stored is deleted; anything of it that remains is a failure.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

from lastcall.config.load import load
from lastcall.config.problems import ConfigError
from tools.live_account import Account
from tools.live_jobs import DAEMON, Jobs

CAP_USD: Final = Decimal(2)
"""What a whole run may cost."""
JOB_USD: Final = Decimal("0.50")
"""What one job may cost."""
POD_USD: Final = Decimal("0.02")
"""What the pod costs that is started to be ended."""
NEEDED: Final = (
    "RUNPOD_API_KEY",
    "RUNPOD_NETWORK_VOLUME_ID",
    "RUNPOD_STORAGE_ACCESS_KEY",
    "RUNPOD_STORAGE_SECRET_KEY",
)
EXIT_USAGE: Final = 2


class TooDear(Exception):
    """The next step could pass the cap of the run."""


class Purse:
    """Counts what steps may cost at most, before they begin."""

    def __init__(self, cap: Decimal = CAP_USD) -> None:
        self._cap = cap
        self.promised = Decimal(0)
        """US dollars."""

    def take(self, usd: Decimal) -> Decimal:
        """Set money aside and return it. Raises TooDear when that would pass the cap."""
        if self.promised + usd > self._cap:
            raise TooDear(f"${self.promised} is set aside, ${usd} more would pass ${self._cap}")
        self.promised += usd
        return usd


def say(mark: str, name: str, detail: str) -> None:
    """Print one step."""
    print(f"{mark} {name:<18}{detail}", flush=True)


def refusal(environ: Mapping[str, str]) -> str | None:
    """Say why nothing may be tried here, or ``None``."""
    if environ.get("CI", "").lower() not in ("", "0", "false"):
        return "CI is set: this rents real machines and never runs in CI"
    missing = [name for name in NEEDED if not environ.get(name)]
    if missing:
        return f"set {', '.join(missing)}; lastcall setup runpod makes the account ready"
    return None


def steps(account: Account, jobs: Jobs, purse: Purse, mib: Sequence[int]) -> list[tuple[str, Callable[[], str]]]:
    """Return every step in order: name, and what does it and says what it saw."""
    return [
        *((f"storage {size} MiB", lambda size=size: account.round_trip(size << 20)) for size in mib),
        ("storage is clean", account.leftovers),
        ("one pod", lambda: account.one_pod(purse.take(POD_USD))),
        ("daemon", jobs.start),
        ("training", lambda: jobs.train(purse.take(JOB_USD))),
        ("stop", lambda: jobs.stop_one(purse.take(JOB_USD))),
        ("ledger", jobs.ledger),
        ("daemon ends", jobs.end),
        ("bill", lambda: account.bill(jobs.machines)),
    ]


def run(account: Account, jobs: Jobs, mib: Sequence[int]) -> int:
    """Do every step; whatever happens, end and prove gone what was rented. Return the exit status."""
    failed = 0
    try:
        for name, work in steps(account, jobs, Purse(), mib):
            try:
                say("✔", name, work())
            except Exception as error:
                failed += 1
                say("✖", name, f"{type(error).__name__}: {error}")
                if name == "daemon":
                    break
    finally:
        jobs.kill()
        failed += last_look(account)
    return 1 if failed else 0


def last_look(account: Account) -> int:
    """List pods and files of this run, end and delete what is there, and return how much there was."""
    failed = 0
    for name, work in (("pods", account.none_left), ("files", account.delete_files)):
        try:
            say("✔", name, work())
        except Exception as error:
            failed += 1
            say("✖", name, f"{type(error).__name__}: {error}")
    return failed


def main(arguments: Sequence[str] | None = None, daemon: Sequence[str] = DAEMON) -> int:
    """Run from the command line; ``daemon`` is what starts the daemon."""
    parser = argparse.ArgumentParser(prog="./dev live", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("provider", choices=("runpod",))
    parser.add_argument("--mib", default="1,64,160", help="sizes of the files that go up and come back")
    chosen = parser.parse_args(arguments)
    why = refusal(os.environ)
    if why is not None:
        print(f"live: {why}", file=sys.stderr)
        return EXIT_USAGE
    mib = [int(size) for size in chosen.mib.split(",")]
    folder = Path(tempfile.mkdtemp(prefix="lc-live-"))
    environ = {
        **os.environ,
        "CLOUD_PROVIDER": "runpod",
        "LASTCALL_STATE_DIR": str(folder / "s"),
        "LASTCALL_BUDGETS_TOTAL_USD": str(CAP_USD),
        **{f"LASTCALL_STORAGE_{kind.upper()}": f"{folder.name}/{kind}" for kind in ("datasets", "models", "jobs")},
        "LASTCALL_STORAGE_PREDICTIONS": f"{folder.name}/predictions",
    }
    try:
        settings = load(environ, folder).settings
    except ConfigError as error:
        print("\n".join(error.lines), file=sys.stderr)
        return EXIT_USAGE
    print(f"at most ${CAP_USD}; everything of this run is called {folder.name}", flush=True)
    status = run(Account(settings, folder), Jobs(folder, environ, daemon), mib)
    if status == 0:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"kept: {folder} (with the daemon's log, and the key by which its machines are known)", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
