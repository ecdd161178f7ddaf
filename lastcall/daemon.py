"""The daemon: takes the state directory, boots a node, serves its socket, and leaves in order.

On SIGTERM and SIGINT it takes nothing new, waits for creates that are out, says how many machines keep running, and
goes. A second signal ends it at once; the journal and the machines' own timers do the rest. A journal that is unsure
of its state is an alarm: ends that are under way get a bounded time, and the exit status asks for a new start.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from actors.admin.gateway import AdminGateway
from actors.admin.peer import user_of
from actors.journal import install as installs
from actors.journal.interface import ANY, Journal, JournalRefused, JournalUnavailable
from actors.journal.lock import StateLocked
from actors.journal.sqlite import SqliteJournal
from actors.runtime.clock import SteadyClock, SystemClock, SystemEntropy
from actors.runtime.world import World
from actors.supervisor.rules import Naming
from actors.supervisor.work import Program
from lastcall import __version__, logs
from lastcall.account import Stopped
from lastcall.config.problems import ConfigError
from lastcall.disk_watch import LOOK_S, degraded_words, until_unsure
from lastcall.holding import Holding, kind_of
from lastcall.node import Node, boot
from lastcall.owed import OwedNotes
from lastcall.parts import Parts, Rented
from lastcall.programs import ProgramSource, training_program
from lastcall.seat import Seat, open_journal, take_seat, try_address
from lastcall.spawner import SystemSpawner
from messages import events as ev
from messages.errors import EXIT_CONFIG, EXIT_CONFLICT, EXIT_FAILED, EXIT_OK, Refusal
from messages.errors import error as entry_of
from messages.ids import base32
from messages.machines import Listing, MachineName, MachineState, ProviderKind
from providers.http import AiohttpTransport
from providers.interface import ProviderError
from providers.transport import Transport

STOPPED_BY_SECOND_SIGNAL = 1
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
ENDS_S = 60.0
"""With an unsure journal: how long ends that are under way may go on before the daemon leaves."""
TROUBLES_OF_THE_COMPUTER = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
)
"""What a later start may find gone; every other error of the system at the start needs a person."""


def make_world() -> World:
    """Return the real world."""
    entropy = SystemEntropy()
    return World(SteadyClock(SystemClock()), entropy, SystemSpawner(), run=base32(entropy.bytes(10), 16))


def alive_of(listing: Listing, install: installs.Install) -> frozenset[str]:
    """Return the ids of this installation's machines in a listing; names of others and forged ones do not count."""
    named = (
        (machine.id, MachineName.parse(machine.name, install.name_key))
        for machine in listing.machines
        if machine.state is not MachineState.GONE
    )
    return frozenset(id_ for id_, name in named if name is not None and name.install == install.installation)


class Daemon:
    """One run of the daemon on a seat it holds."""

    def __init__(self, seat: Seat, world: World, program: Program) -> None:
        self.serving = False
        """Whether it has been up; before that, errors of the system are about the state directory."""
        self._seat = seat
        self._world = world
        self._program = program
        self._log = logs.get_logger("lastcall.daemon")
        self._stop = asyncio.Event()
        self._signals = 0

    async def run(self) -> int:
        """Serve until told to stop; return the exit status."""
        with self._listening_for_signals():
            try:
                try_address(self._seat.places)
                journal = await open_journal(self._seat, self._world)
                try:
                    return await self._run_on(journal)
                finally:
                    await journal.close()
            except Stopped:
                self._log.info("stopped_before_it_was_up")
                return EXIT_OK

    async def _run_on(self, journal: SqliteJournal) -> int:
        transport = AiohttpTransport(f"lastcall/{__version__}")
        try:
            return await self._run_with(journal, transport)
        finally:
            await transport.close()

    async def _run_with(self, journal: SqliteJournal, transport: Transport) -> int:
        settings, state_dir = self._seat.loaded.settings, self._seat.places.state_dir
        holding = Holding(settings, state_dir, self._world, transport, self._stop, self._log.warning)
        try:
            await holding.open(journal)
            node = await self._boot(journal, holding.held)
            gateway = AdminGateway(node.services, self._world.clock, self._world.entropy)
            places = self._seat.places
            try:
                # Nothing waits between the boot and the bind inside: no actor has taken a step when it fails.
                await gateway.start(places.socket, lock_held=True, private_directory=not places.host_chosen)
                self.serving = True
                return await self._serve(node, gateway)
            finally:
                await gateway.stop()
                await node.stop()
        finally:
            await holding.close()

    async def _boot(self, journal: SqliteJournal, held: Mapping[ProviderKind, Rented]) -> Node:
        seat, install = self._seat, self._seat.install
        identity = await journal.identity()
        if identity.new:
            await journal.adopt(install.generation, install.home)
        source = ProgramSource({kind: rented.provider for kind, rented in held.items()}, self._program)
        parts = Parts(
            settings=seat.loaded.settings,
            journal=journal,
            providers=held,
            kind=kind_of(seat.loaded.settings.provider),
            naming=Naming(install.installation, install.generation, install.name_key),
            owner=user_of(os.geteuid()),
            program=source,
            version=__version__,
            safe_mode=installs.safe_mode(install, identity),
            degraded=lambda: degraded_words(journal),
            probe=journal.probe,
            config=lambda: dict(seat.loaded.shown()),
            log=self._log.info,
            bundle=source.bundle,
            renew=lambda: self._renew(journal),
            clock_jump_s=lambda: getattr(self._world.clock, "jump_s", None),
            owed=OwedNotes(seat.places.state_dir),
        )
        now = self._world.clock.now()
        await self._append(journal, ev.DaemonStarted(run=self._world.run, version=__version__, pid=os.getpid(), at=now))
        return boot(self._world, parts)

    async def _renew(self, journal: SqliteJournal) -> None:
        """Make a new generation for the journal as it is; it counts from the next start on."""
        install = installs.renew(self._seat.places.state_dir, self._seat.install, SystemEntropy().bytes)
        await journal.adopt(install.generation, install.home)

    async def _append(self, journal: Journal, event: ev.Event) -> None:
        try:
            await journal.append("node", ANY, [event], actor="daemon")
        except JournalUnavailable as error:
            self._log.error("not_journaled", kind=event.kind, error=str(error))

    # ------------------------------------------------------------------------------------------- serving

    async def _serve(self, node: Node, gateway: AdminGateway) -> int:
        node.start_housekeeping()
        self._log.info("ready", socket=str(self._seat.places.socket), provider=node.parts.kind)
        loop = asyncio.get_running_loop()
        told = loop.create_task(self._stop.wait(), name="told-to-stop")
        unsure = loop.create_task(until_unsure(self._world.clock, node.parts.degraded), name="disk-watch")
        broken = loop.create_task(node.until_broken(), name="node-watch")
        try:
            await asyncio.wait({told, unsure, broken}, return_when=asyncio.FIRST_COMPLETED)
            gateway.drain()
            if not told.done():
                code = "E-JOURNAL" if unsure.done() else "E-INTERNAL"
                self._alarm(code, unsure.result() if unsure.done() else broken.result())
                await asyncio.gather(node.drain(), self._let_ends_finish(node))
                await self._say_what_runs(node)
                return entry_of(code).exit
            await node.drain()
            await self._say_what_runs(node)
            return entry_of("E-JOURNAL").exit if unsure.done() else EXIT_OK
        finally:
            for task in (told, unsure, broken):
                task.cancel()
            await asyncio.gather(told, unsure, broken, return_exceptions=True)

    def _alarm(self, code: str, words: str) -> None:
        self._log.critical("leaving", code=code, detail=words)
        sys.stderr.write(f"lastcall: {code}: {words}; leaving, so that a new start can begin afresh.\n")

    async def _let_ends_finish(self, node: Node) -> None:
        """Wait until the provider shows no machine whose end is under way: the proofs cannot be journaled now."""
        clock = self._world.clock
        until = clock.monotonic() + ENDS_S
        while (ending := node.runner.ends_in_flight()) and clock.monotonic() < until and not self._stop.is_set():
            alive = await self._alive(node)
            if alive is not None and not ending & alive:
                return
            await clock.sleep(LOOK_S)

    # ------------------------------------------------------------------------------------------- leaving

    @contextmanager
    def _listening_for_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, self._signalled)
        try:
            yield
        finally:
            for number in STOP_SIGNALS:
                loop.remove_signal_handler(number)

    def _signalled(self) -> None:
        self._signals += 1
        self._stop.set()
        if self._signals > 1:
            os._exit(STOPPED_BY_SECOND_SIGNAL)

    async def _alive(self, node: Node) -> frozenset[str] | None:
        """Return the ids of our machines that exist, or ``None`` when a provider does not say all."""
        alive: frozenset[str] = frozenset()
        for kind, provider in node.parts.rented.items():
            try:
                listing = await provider.training.list_machines()
            except (ProviderError, OSError) as error:
                self._log.warning("machines_unknown", provider=kind, error=str(error))
                return None
            if not listing.complete:
                return None
            alive |= alive_of(listing, self._seat.install)
        return alive

    async def _say_what_runs(self, node: Node) -> None:
        """Say and journal how many machines keep running without a daemon."""
        alive = await self._alive(node)
        running = len(node.supervisors if alive is None else alive)
        stopped = ev.DaemonStopped(run=self._world.run, machines_running=running, at=self._world.clock.now())
        await self._append(node.parts.journal, stopped)
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
    except ConfigError as wrong:
        return _refuse(wrong.lines, EXIT_CONFIG)
    except StateLocked as locked:
        return _refuse([f"E-LOCKED: {locked}"], EXIT_CONFLICT)
    except Refusal as refusal:
        return _refuse([str(refusal)], entry_of(refusal.code).exit)
    except JournalRefused as refused:
        return _refuse([str(refused)], EXIT_CONFIG)
    except OSError as failed:
        return _cannot_start(failed)
    settings = seat.loaded.settings
    logs.configure(logs.Logs(level=settings.logging.level, format=settings.logging.format, secrets=settings.secrets()))
    try:
        return _run(Daemon(seat, make_world(), program or training_program()))
    finally:
        seat.lock.release()


def _run(daemon: Daemon) -> int:
    try:
        return asyncio.run(daemon.run())
    except Refusal as refusal:
        return _refuse([str(refusal)], entry_of(refusal.code).exit)
    except (JournalRefused, JournalUnavailable, ProviderError) as failed:
        return _refuse([str(failed)], EXIT_FAILED)
    except OSError as failed:
        if daemon.serving:
            raise
        return _cannot_start(failed)


def _cannot_start(failed: OSError) -> int:
    """Say which file is in the way of the start, and whether a later start may do better."""
    where = f"{os.fsdecode(failed.filename)}: " if isinstance(failed.filename, (str, bytes)) else ""
    status = EXIT_FAILED if failed.errno in TROUBLES_OF_THE_COMPUTER else EXIT_CONFIG
    return _refuse([f"Lastcall cannot start: {where}{failed.strerror or failed}"], status)


def _refuse(lines: list[str] | tuple[str, ...], status: int) -> int:
    for line in lines:
        sys.stderr.write(f"lastcall: {line}\n")
    return status
