"""``lastcall reap``: ends every machine of this installation whose hard deadline has passed, and proves it.

It needs no daemon and no journal: names, ``install.json`` and the provider's key say all. All machines are asked to end
before any is proven gone: proofs take minutes, and calls of the same quota. Meant to run elsewhere, on a timer, for the
day when the daemon's computer is dead. A daemon may run meanwhile: both ending one machine is harmless.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from actors.fleet.certainty import Certainty
from actors.journal import install as installs
from actors.journal.interface import JournalRefused
from actors.journal.lock import StateLock, StateLocked
from actors.runtime.clock import SteadyClock, SystemClock, SystemEntropy
from actors.runtime.world import Clock
from actors.supervisor.ends import PROVEN_WITHIN_S, Asked, Ended, ask, gone_within
from actors.supervisor.unproven import CODE, Unproven
from lastcall import __version__, logs, paths
from lastcall.config.load import load
from lastcall.config.settings import Settings
from lastcall.renting import aws_settings, close_provider, runpod_settings
from lastcall.spawner import SystemSpawner
from messages.errors import EXIT_FAILED, EXIT_OK, EXIT_TEMPORARY, Refusal
from messages.machines import Listing, Machine, MachineName, MachineState
from messages.upkeep import ReapDocument, ReapRow
from providers.factory import aws_library
from providers.http import AiohttpTransport
from providers.interface import CloudTrainingProvider, ProviderError, Refused, Unavailable
from providers.local.provider import build_local
from providers.local.settings import LocalSettings
from providers.runpod.provider import build_runpod_training
from providers.transport import Transport

LISTINGS_MAX = 5
"""Listings until one is complete."""
LISTING_PAUSE_S = 5.0
ASKS_AT_ONCE = 8
"""So few, because calls over the quota only make it longer: each is refused and made again."""
ASKS_MAX = 5
"""Calls for one machine before the proofs begin; with its proof it is asked again."""
ASKS_S_MAX = 600.0
PAUSE_S = 5.0
PAUSE_S_MAX = 60.0
"""The usual and the longest pause after a call that was not answered; windows of a quota are a minute."""
PROOFS_AT_ONCE = 24
"""More would wait for calls longer than a look has patience, where the quota is RunPod's usual one."""
PROOFS_S_MAX = 1_200.0
"""All of them together, so that a run ends well within the half hour its timer gives it; the next run goes on."""

Opened = Callable[[Settings, Path, Clock], AbstractAsyncContextManager[CloudTrainingProvider]]


class Overdue(NamedTuple):
    """A machine of ours that should be gone."""

    machine: Machine
    name: MachineName


def judged(listing: Listing, install: installs.Install, now: datetime) -> tuple[list[Overdue], int]:
    """Return the machines of ``install`` whose hard deadline has passed, and how many others of it there are.

    Whatever its generation. A name whose check fails, or of another installation, is not ours and counts nowhere.
    """
    overdue: list[Overdue] = []
    running = 0
    for machine in listing.machines:
        name = MachineName.parse(machine.name, install.name_key)
        if name is None or name.install != install.installation or machine.state is MachineState.GONE:
            continue
        if now >= name.hard_deadline:
            overdue.append(Overdue(machine, name))
        else:
            running += 1
    return overdue, running


async def reap(
    training: CloudTrainingProvider,
    install: installs.Install,
    clock: Clock,
    *,
    dry_run: bool,
    tell: Callable[[Unproven], None] = lambda _: None,
) -> ReapDocument:
    """List, end what is overdue, prove it. Raises ProviderError while the provider gives no listing at all.

    ``tell`` hears of ends that take long. Raises Refusal E-CLOCK where the provider's time says that this computer's
    clock cannot judge a deadline.
    """
    listing = await _listing(training, clock)
    off_s = Certainty(training, clock).off_s()
    if off_s is not None:
        raise Refusal("E-CLOCK", f"{training.kind}'s clock is {off_s:+.0f} s from this computer's; nothing was ended.")
    overdue, running = judged(listing, install, clock.now())
    machines = [one.machine for one in overdue]
    found = [(False, "would be ended")] * len(overdue) if dry_run else await _ended(training, clock, machines, tell)
    rows = [
        ReapRow(
            id=one.machine.id,
            name=one.machine.name,
            hard_deadline=one.name.hard_deadline,
            gone=gone,
            detail=detail,
        )
        for one, (gone, detail) in zip(overdue, found, strict=True)
    ]
    return ReapDocument(
        provider=training.kind,
        listed_at=listing.began,
        complete=listing.complete,
        dry_run=dry_run,
        machines=tuple(rows),
        left=sum(not one.gone for one in rows),
        running=running,
    )


async def _listing(training: CloudTrainingProvider, clock: Clock) -> Listing:
    """Return the first complete listing; after several tries the last one, of which what it shows is still true."""
    for _ in range(LISTINGS_MAX - 1):
        try:
            listing = await training.list_machines()
        except Refused:
            raise
        except ProviderError:
            pass
        else:
            if listing.complete:
                return listing
        await clock.sleep(LISTING_PAUSE_S)
    return await training.list_machines()


async def _ended(
    training: CloudTrainingProvider, clock: Clock, machines: Sequence[Machine], tell: Callable[[Unproven], None]
) -> list[tuple[bool, str]]:
    """Ask all to end, then prove each, those last that did not answer; return whether it is gone, and in words how."""
    asked = await _asked(training, clock, machines)
    places, give_up = asyncio.Semaphore(PROOFS_AT_ONCE), clock.monotonic() + PROOFS_S_MAX

    async def proven(machine: Machine) -> tuple[bool, str]:
        async with places:
            until = min(give_up, clock.monotonic() + PROVEN_WITHIN_S)
            return await _proven(training, clock, machine, asked.get(machine.id), until, tell)

    order = sorted(range(len(machines)), key=lambda number: machines[number].id not in asked)
    found = await asyncio.gather(*(proven(machines[number]) for number in order))
    return [one for _, one in sorted(zip(order, found, strict=True))]


async def _asked(training: CloudTrainingProvider, clock: Clock, machines: Sequence[Machine]) -> dict[str, Asked]:
    """Ask every machine to end; one whose call fails comes again after all others, so that it holds nobody up."""
    waiting, answers, until = deque(machines), dict[str, Asked](), clock.monotonic() + ASKS_S_MAX
    failed: Counter[str] = Counter()

    async def asker() -> None:
        while waiting and clock.monotonic() < until:
            machine = waiting.popleft()
            try:
                answers[machine.id] = await ask(training, clock, machine)
            except (ProviderError, OSError, TimeoutError) as error:
                failed[machine.id] += 1
                if failed[machine.id] < ASKS_MAX:
                    waiting.append(machine)
                wished_s = error.retry_after_s if isinstance(error, Unavailable) else PAUSE_S
                await clock.sleep(min(PAUSE_S_MAX, wished_s))

    await asyncio.gather(*(asker() for _ in range(min(ASKS_AT_ONCE, len(machines)))))
    return answers


async def _proven(
    training: CloudTrainingProvider,
    clock: Clock,
    machine: Machine,
    asked: Asked | None,
    until: float,
    tell: Callable[[Unproven], None],
) -> tuple[bool, str]:
    """Go on until the end is proven or time is up; return whether it is, and in words how."""
    found = await gone_within(training, clock, machine, until - clock.monotonic(), asked=asked, unproven=tell)
    if isinstance(found, Ended):
        return True, f"ended, and proven gone at {found.proof.at:%H:%M:%S} UTC"
    return False, found.words


def exit_code(found: ReapDocument) -> int:
    """Return 0 when nothing that should be gone is left, 1 when something is, 75 when that could not be seen."""
    if found.left:
        return EXIT_FAILED
    return EXIT_OK if found.complete else EXIT_TEMPORARY


# ------------------------------------------------------------------------------------------------ the command


@asynccontextmanager
async def _local(settings: Settings, state_dir: Path, clock: Clock) -> AsyncIterator[CloudTrainingProvider]:
    """Open this computer's machines. Two processes may not look after them at once: a daemon that runs reaps them."""
    try:
        lock = StateLock.take(state_dir)
    except StateLocked as locked:
        raise Refusal("E-LOCKED", f"{locked}; it ends overdue machines of this computer itself") from locked
    try:
        told = LocalSettings(
            root=state_dir,
            wrapper=state_dir / "no-wrapper",
            price_usd_per_second=settings.local.price_usd_per_second,
        )
        provider = build_local(told, clock, SystemEntropy(), SystemSpawner())
        try:
            yield provider.training
        finally:
            await close_provider(provider)
    finally:
        lock.release()


@asynccontextmanager
async def _over_http(
    build: Callable[[Transport], CloudTrainingProvider],
) -> AsyncIterator[CloudTrainingProvider]:
    transport = AiohttpTransport(f"lastcall/{__version__}")
    try:
        training = build(transport)
        try:
            yield training
        finally:
            await training.close()
    finally:
        await transport.close()


def _runpod(settings: Settings, _: Path, clock: Clock) -> AbstractAsyncContextManager[CloudTrainingProvider]:
    """Open RunPod's pods alone: the volume's storage is not needed, and neither are its keys."""
    return _over_http(lambda transport: build_runpod_training(runpod_settings(settings), clock, transport))


def _aws(settings: Settings, _: Path, clock: Clock) -> AbstractAsyncContextManager[CloudTrainingProvider]:
    """Open EC2's instances alone: the bucket is not needed."""
    with aws_library():
        from providers.aws.provider import build_aws_training

    return _over_http(lambda transport: build_aws_training(aws_settings(settings), clock, transport))


OPENERS: Mapping[str, Opened] = {"local": _local, "runpod": _runpod, "aws": _aws}
"""How each provider's machines are reached without a daemon."""


def main(
    *,
    dry_run: bool = False,
    state_dir: str | None = None,
    config: str | None = None,
) -> tuple[int, dict[str, Any]]:
    """Reap once and return the exit status with the document.

    Raises Refusal (``E-NOINSTALL``, ``E-CONFIG``, ``E-CLOCK``, ``E-LISTING``, ``E-LOCKED``) and OSError.
    """
    places = paths.find(os.environ, Path.cwd(), state_dir=state_dir, config=config)
    install = read_install(places.state_dir)
    flags = {"state_dir": state_dir} if state_dir else {}
    settings = load(os.environ, Path.cwd(), flags=flags, config=config).settings
    logs.configure(logs.Logs(level="error", format=settings.logging.format, secrets=settings.secrets()))
    found = asyncio.run(_main(settings, places.state_dir, install, dry_run))
    return exit_code(found), found.model_dump(mode="json", by_alias=True)


def read_install(state_dir: Path) -> installs.Install:
    """Return the installation of a state directory. Raises Refusal E-NOINSTALL without a sound ``install.json``."""
    path = state_dir / installs.INSTALL_FILE
    if not path.is_file():
        raise Refusal("E-NOINSTALL", f"{path} is not there")
    try:
        return installs.load_or_create(
            state_dir, journal_exists=True, entropy=SystemEntropy().bytes, now=SystemClock().now()
        )
    except JournalRefused as error:
        raise Refusal("E-NOINSTALL", str(error)) from error


def say(found: Unproven) -> None:
    """Say on standard error that an end takes long, while it does."""
    sys.stderr.write(f"lastcall: {CODE}: {found.words}\n")


async def _main(settings: Settings, state_dir: Path, install: installs.Install, dry_run: bool) -> ReapDocument:
    opener = OPENERS.get(settings.provider)
    if opener is None:
        raise Refusal("E-CONFIG", f"provider {settings.provider!r} cannot be reached without a daemon")
    clock = SteadyClock(SystemClock())
    try:
        async with opener(settings, state_dir, clock) as training:
            return await reap(training, install, clock, dry_run=dry_run, tell=say)
    except Refused as error:
        raise Refusal("E-CONFIG", str(error)) from error
    except ProviderError as error:
        raise Refusal("E-LISTING", str(error)) from error
