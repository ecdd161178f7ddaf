"""Every check in its order, and how they are run. A new part of Lastcall adds its checks to ``CHECKS``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from actors.runtime.clock import SteadyClock, SystemClock
from lastcall import __version__
from lastcall.doctor import here, rented, running, unwatched
from lastcall.doctor.findings import Check, Finding, Room
from providers.factory import aws_library
from providers.http import AiohttpTransport
from providers.interface import Refused

CHECK_S: Final = 120.0
"""For one check in all."""


def _of_aws(name: str) -> Check:
    """Return a check of AWS's, whose library is loaded by whoever rents there, and may not be installed elsewhere."""
    title, check = AWS_CHECKS[name], name

    async def look(room: Room) -> Sequence[Finding]:
        if room.loaded is None or room.loaded.settings.provider != "aws":
            return []
        try:
            with aws_library():
                from lastcall.doctor import aws
        except Refused as error:
            return [Finding(title, "fail", str(error))] if check == "account" else []
        found: Sequence[Finding] = await getattr(aws, check)(room)
        return found

    return Check(title, look)


AWS_CHECKS: Final = {
    "account": "AWS account",
    "resources": "AWS resources",
    "storage": "storage",
    "launching": "launch",
    "quotas": "quotas",
    "bill": "bill",
}
"""Function of ``doctor.aws`` → what it is called."""
CHECKS: Final = (
    Check("python", here.python),
    Check("SQLite", here.sqlite),
    Check("configuration", here.configuration),
    Check("state", here.state),
    Check("daemon", running.daemon),
    Check("safe mode", running.safe_mode),
    Check("actors", running.actors),
    Check("journal", here.journal),
    Check("RunPod API", rented.api),
    Check("RunPod key", rented.key),
    Check("volume", rented.volume),
    Check("balance", rented.money),
    Check("self-ending", rented.self_ending),
    Check("packages", rented.packages),
    *(_of_aws(name) for name in AWS_CHECKS),
    Check("machines", running.machines),
    Check("machines", unwatched.machines),
)
"""In the order they are made; later ones use what earlier ones left in the room."""

Told = Callable[[Finding], None]


async def examine(room: Room, told: Told, checks: Sequence[Check] = CHECKS) -> list[Finding]:
    """Make every check, tell each finding as it comes, and return all. A check that breaks is a finding."""
    findings: list[Finding] = []
    for check in checks:
        for found in await _made(check, room):
            findings.append(found)
            told(found)
    return findings


async def _made(check: Check, room: Room) -> Sequence[Finding]:
    try:
        async with asyncio.timeout(CHECK_S):
            return await check.look(room)
    except TimeoutError:
        return [Finding(check.name, "fail", f"no answer in {CHECK_S:.0f} s", "try again")]
    except Exception as error:  # one broken check must not hide the others
        detail = f"this check has a fault: {type(error).__name__}"
        return [Finding(check.name, "fail", detail, "please report it")]


def run(
    environ: Mapping[str, str],
    working_directory: Path,
    told: Told,
    *,
    config: str | None = None,
    state_dir: str | None = None,
    host: str | None = None,
) -> list[Finding]:
    """Make every check in the real world and return what was found."""

    async def work() -> list[Finding]:
        transport = AiohttpTransport(f"lastcall/{__version__}")
        room = Room(environ, working_directory, transport, SteadyClock(SystemClock()), config, state_dir, host)
        try:
            return await examine(room, told)
        finally:
            await room.close()
            await transport.close()

    return asyncio.run(work())
