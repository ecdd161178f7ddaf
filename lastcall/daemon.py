"""The daemon: takes the state directory, boots a node, serves its socket, and leaves in order.

On SIGTERM and SIGINT it takes nothing new, waits for creates that are out, says how many machines keep running, and
goes. A second signal ends it at once; the journal and the machines' own timers do the rest.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actors.admin.gateway import AdminGateway
from actors.journal import install as installs
from actors.journal.interface import ANY, JournalRefused, JournalUnavailable
from actors.journal.lock import StateLock, StateLocked
from actors.journal.sqlite import SqliteJournal
from actors.journal.tables import standard
from actors.runtime.clock import SystemClock, SystemEntropy
from actors.runtime.world import World
from actors.supervisor.rules import Naming
from actors.supervisor.work import Program
from actors.views.tables import CostsTable, JobsTable
from containers.job.build import build as build_wrapper
from lastcall import __version__, logs, paths
from lastcall.config.load import Loaded, load
from lastcall.config.problems import ConfigError
from lastcall.node import Node, Parts, boot
from lastcall.spawner import SystemSpawner
from messages import events as ev
from messages.errors import EXIT_CONFIG, EXIT_CONFLICT, EXIT_FAILED, EXIT_OK, Refusal
from messages.ids import base32
from providers.factory import CloudProviderFactory
from providers.interface import Provider, ProviderError
from providers.local.settings import LocalSettings

JOURNAL_FILE = "journal.sqlite"
WRAPPER_FOLDER = "wrapper"
STOPPED_BY_SECOND_SIGNAL = 1


@dataclass(frozen=True, slots=True)
class Seat:
    """What a daemon holds of the disk while it runs."""

    loaded: Loaded
    places: paths.Places
    lock: StateLock
    install: installs.Install
    journal_is_new: bool


def take_seat(
    environ: Mapping[str, str], working_directory: Path, flags: Mapping[str, Any], config: str | None
) -> Seat:
    """Read the configuration and take the state directory. Raises ConfigError, Refusal, StateLocked."""
    loaded = load(environ, working_directory, flags=flags, config=config)
    places = paths.find(
        environ, working_directory, state_dir=flags.get("state_dir"), host=flags.get("host"), config=config
    )
    lock = StateLock.take(places.state_dir)
    try:
        new = not (places.state_dir / JOURNAL_FILE).exists()
        install = installs.load_or_create(
            places.state_dir, journal_exists=not new, entropy=SystemEntropy().bytes, now=SystemClock().now()
        )
    except BaseException:
        lock.release()
        raise
    return Seat(loaded, places, lock, install, new)


def make_world() -> World:
    """Return the real world."""
    entropy = SystemEntropy()
    return World(SystemClock(), entropy, SystemSpawner(), run=base32(entropy.bytes(10), 16))


def wrapper_file(state_dir: Path) -> Path:
    """Build the job wrapper under a name that holds its digest, so that a running one is never replaced."""
    folder = state_dir / WRAPPER_FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    fresh = folder / "new.pyz"
    digest = build_wrapper(fresh)
    target = folder / f"job-{digest[:16]}.pyz"
    fresh.replace(target)
    return target


def training_program() -> Program:
    """Return the training program as machines of this computer start it."""
    return Program(argv=(sys.executable, "-m", "containers.training", "work.json", "out"))


def open_provider(seat: Seat, world: World) -> Provider:
    """Open the configured provider. Raises ProviderError when this computer cannot be one."""
    settings = LocalSettings(
        root=seat.places.state_dir,
        wrapper=wrapper_file(seat.places.state_dir),
        price_usd_per_second=seat.loaded.settings.local.price_usd_per_second,
    )
    kind = seat.loaded.settings.provider
    return CloudProviderFactory().build(kind, settings, world.clock, world.entropy, world.spawner)


class Daemon:
    """One run of the daemon on a seat it holds."""

    def __init__(self, seat: Seat, world: World, program: Program) -> None:
        self._seat = seat
        self._world = world
        self._program = program
        self._log = logs.get_logger("lastcall.daemon")
        self._stop = asyncio.Event()
        self._signals = 0

    async def run(self) -> int:
        """Serve until told to stop; return the exit status."""
        journal = await self.open_journal()
        provider = open_provider(self._seat, self._world)
        try:
            node = await self._boot(journal, provider)
            try:
                await self._serve(node)
            finally:
                await node.stop()
        finally:
            await provider.training.close()
            await provider.storage.close()
            await provider.prediction.close()
            await journal.close()
        return EXIT_OK

    async def open_journal(self) -> SqliteJournal:
        """Open the journal with every read model of the node."""
        return await SqliteJournal.open(
            self._seat.places.state_dir / JOURNAL_FILE,
            clock=self._world.clock,
            entropy=self._world.entropy.bytes,
            projections=(*standard(), JobsTable(), CostsTable()),
        )

    async def _boot(self, journal: SqliteJournal, provider: Provider) -> Node:
        seat, install = self._seat, self._seat.install
        identity = await journal.identity()
        if identity.new:
            await journal.adopt(install.generation, install.home)
        parts = Parts(
            settings=seat.loaded.settings,
            journal=journal,
            provider=provider,
            account=await provider.training.fingerprint(),
            naming=Naming(install.installation, install.generation, install.name_key),
            program=self._program,
            version=__version__,
            safe_mode=installs.safe_mode(install, identity),
            degraded=lambda: journal.degraded,
            probe=journal.probe,
            config=lambda: dict(seat.loaded.shown()),
            log=self._log.info,
        )
        started = ev.DaemonStarted(
            run=self._world.run, version=__version__, pid=os.getpid(), at=self._world.clock.now()
        )
        await self._append(journal, started)
        return boot(self._world, parts)

    async def _append(self, journal: SqliteJournal, event: ev.Event) -> None:
        try:
            await journal.append("node", ANY, [event], actor="daemon")
        except JournalUnavailable as error:
            self._log.error("not_journaled", kind=event.kind, error=str(error))

    async def _serve(self, node: Node) -> None:
        gateway = AdminGateway(node.services, self._world.clock, self._world.entropy)
        places = self._seat.places
        await gateway.start(places.socket, lock_held=True, private_directory=not places.host_chosen)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled)
        node.start_housekeeping()
        self._log.info("ready", socket=str(places.socket), provider=node.parts.provider.training.kind)
        try:
            await self._stop.wait()
            gateway.drain()
            await node.drain()
            await self._say_what_runs(node)
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)
            await gateway.stop()

    def _signalled(self) -> None:
        self._signals += 1
        self._stop.set()
        if self._signals > 1:
            os._exit(STOPPED_BY_SECOND_SIGNAL)

    async def _say_what_runs(self, node: Node) -> None:
        """Say and journal how many machines keep running without a daemon."""
        try:
            listing = await node.parts.provider.training.list_machines()
            running = sum(1 for machine in listing.machines if machine.state != "gone")
        except (ProviderError, OSError) as error:
            self._log.warning("machines_unknown", error=str(error))
            running = len(node.supervisors)
        journal = node.parts.journal
        stopped = ev.DaemonStopped(run=self._world.run, machines_running=running, at=self._world.clock.now())
        try:
            await journal.append("node", ANY, [stopped], actor="daemon")
        except JournalUnavailable as error:
            self._log.error("not_journaled", kind=stopped.kind, error=str(error))
        self._log.info("stopping", machines_running=running)
        if running:
            plural = "machine keeps" if running == 1 else "machines keep"
            sys.stderr.write(
                f"lastcall: {running} {plural} running; the timers in them go on, and the next start takes them over.\n"
            )


def main(
    *,
    json_output: bool = False,
    state_dir: str | None = None,
    host: str | None = None,
    config: str | None = None,
    program: Program | None = None,
) -> int:
    """Run the daemon in the foreground and return its exit status; errors are one line each.

    ``program`` is what machines run in place of the training program.
    """
    given = {"state_dir": state_dir, "host": host}
    flags = {key: value for key, value in given.items() if value is not None}
    if json_output:
        flags["logging.format"] = "json"
    try:
        seat = take_seat(os.environ, Path.cwd(), flags, config)
    except ConfigError as error:
        return _refuse(error.lines, EXIT_CONFIG)
    except StateLocked as error:
        return _refuse([f"E-LOCKED: {error}"], EXIT_CONFLICT)
    except (Refusal, JournalRefused, OSError) as error:
        return _refuse([str(error)], EXIT_CONFIG)
    settings = seat.loaded.settings
    logs.configure(logs.Logs(level=settings.logging.level, format=settings.logging.format, secrets=settings.secrets()))
    try:
        return asyncio.run(_run(seat, program or training_program()))
    except (JournalRefused, JournalUnavailable, ProviderError, Refusal) as error:
        return _refuse([str(error)], EXIT_FAILED)
    finally:
        seat.lock.release()


async def _run(seat: Seat, program: Program) -> int:
    return await Daemon(seat, make_world(), program).run()


def _refuse(lines: list[str] | tuple[str, ...], status: int) -> int:
    for line in lines:
        sys.stderr.write(f"lastcall: {line}\n")
    return status
