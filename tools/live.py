"""Try Lastcall on a real account: ``./dev live runpod|aws``. Costs real money, two dollars at the very most.

    python -m tools.live aws [--mib 1,64,160]

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
from tools.live_clouds import CLOUDS, Cloud
from tools.live_jobs import DAEMON, Jobs

CAP_USD: Final = Decimal(2)
"""What a whole run may cost."""
JOB_USD: Final = Decimal("0.50")
"""What one job may cost."""
MACHINE_USD: Final = Decimal("0.02")
"""What the machine costs that is started to be ended."""
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


def refusal(cloud: Cloud, environ: Mapping[str, str]) -> str | None:
    """Say why nothing may be tried here, or ``None``."""
    if environ.get("CI", "").lower() not in ("", "0", "false"):
        return "CI is set: this rents real machines and never runs in CI"
    return cloud.refusal(environ)


def steps(account: Account, jobs: Jobs, purse: Purse, mib: Sequence[int]) -> list[tuple[str, Callable[[], str]]]:
    """Return every step in order: name, and what does it and says what it saw."""
    return [
        *((f"storage {size} MiB", lambda size=size: account.round_trip(size << 20)) for size in mib),
        ("storage is clean", account.leftovers),
        (f"one {account.cloud.machine}", lambda: account.one_machine(purse.take(MACHINE_USD))),
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
    """List machines and files of this run, end and delete what is there, and return how much there was."""
    failed = 0
    for name, work in ((f"{account.cloud.machine}s", account.none_left), ("files", account.delete_files)):
        try:
            say("✔", name, work())
        except Exception as error:
            failed += 1
            say("✖", name, f"{type(error).__name__}: {error}")
    return failed


def main(arguments: Sequence[str] | None = None, daemon: Sequence[str] = DAEMON) -> int:
    """Run from the command line; ``daemon`` is what starts the daemon."""
    parser = argparse.ArgumentParser(prog="./dev live", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("provider", choices=sorted(CLOUDS))
    parser.add_argument("--mib", default="1,64,160", help="sizes of the files that go up and come back")
    chosen = parser.parse_args(arguments)
    cloud = CLOUDS[chosen.provider]
    why = refusal(cloud, os.environ)
    if why is not None:
        print(f"live: {why}", file=sys.stderr)
        return EXIT_USAGE
    mib = [int(size) for size in chosen.mib.split(",")]
    folder = Path(tempfile.mkdtemp(prefix="lc-live-"))
    environ = {
        **os.environ,
        "CLOUD_PROVIDER": cloud.kind,
        "LASTCALL_STATE_DIR": str(folder / "s"),
        "LASTCALL_BUDGETS_TOTAL_USD": str(CAP_USD),
        **{f"LASTCALL_STORAGE_{kind.upper()}": prefix for kind, prefix in cloud.prefixes(folder.name).items()},
    }
    try:
        settings = load(environ, folder).settings
    except ConfigError as error:
        print("\n".join(error.lines), file=sys.stderr)
        folder.rmdir()
        return EXIT_USAGE
    print(f"at most ${CAP_USD}; everything of this run is called {folder.name}", flush=True)
    status = run(Account(cloud, settings, folder), Jobs(folder, environ, daemon), mib)
    if status == 0:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"kept: {folder} (with the daemon's log, and the key by which its machines are known)", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
