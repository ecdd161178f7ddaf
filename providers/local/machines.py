"""The machines of this computer: create, look, end. Blocking; everything here runs in the provider's one thread.

A cheap look asks only whether processes known as members still live. A full look goes through the whole process
table; it is taken when the last one is old, and at once when a machine shows no living member. Only a full and
complete look, together with a free lock, counts as absence.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from messages.base import Instant
from messages.machines import LaunchRequest, Listing, Machine
from messages.money import HOUR_SECONDS, accrued
from providers.interface import Ambiguous, BilledLine, EndAnswer, NoCapacity, NotFound, Refused, Unavailable
from providers.local import launch as launching
from providers.local import views
from providers.local.identity import Identity
from providers.local.killing import Quarry, end_all
from providers.local.membership import Stray, members
from providers.local.processes import Process, ProcessKey, ProcessTable
from providers.local.registry import Entry, MachineRecord, Registry, check_name
from providers.local.settings import LocalSettings
from providers.seams import ProviderClock


class Look(NamedTuple):
    """What one full look says of one machine."""

    began: Instant
    ended: Instant
    state: str
    """``absent``, ``alive`` or ``unknown``."""
    detail: str
    conclusive: bool = False
    """Whether this one look proves absence: the subreaper said nothing is left, or no process can exist."""


class Machines:
    """Everything that runs, or ran, for one root directory on this computer."""

    def __init__(
        self,
        settings: LocalSettings,
        registry: Registry,
        table: ProcessTable,
        identity: Identity,
        clock: ProviderClock,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._table = table
        self._identity = identity
        self._clock = clock
        self._pause = pause
        self._strays: dict[str, Stray] = {}
        self._scanned_at: float | None = None
        self._scan_complete = True

    def launch(self, request: LaunchRequest, places: launching.Places) -> Machine:
        """Make the machine, once. Raises NoCapacity, Refused, Ambiguous; errors of the disk before the start refuse."""
        check_name(request.name)
        if request.offer.provider != "local":
            raise Refused(f"offer {request.offer.id!r} is not an offer of this computer")
        if not self._settings.wrapper.is_file():
            raise Refused(f"the job wrapper {self._settings.wrapper} is missing")
        digest = launching.digest(request)
        before = self._made_before(request.name, digest)
        if before is not None:
            return before
        entry, lock = self._create(request, digest)
        try:
            variables = launching.environment(request, entry, places, self._settings.python, lock)
            wrapper = launching.start(self._settings, entry, variables, lock)
        except (NoCapacity, Refused):
            self._registry.forget(entry)
            raise
        except OSError as error:
            raise Ambiguous(f"the launch was cut short: {error}") from error
        finally:
            os.close(lock)
        self._started(entry, wrapper)
        return self._machine(entry)

    def listing(self) -> Listing:
        """Return what exists now."""
        began = self._clock.now()
        if self._needs_full_look():
            self._look()
        machines = [self._machine(entry) for entry in self._registry.entries.values() if self._exists(entry)]
        machines += [
            self._stray(name, stray)
            for name, stray in self._strays.items()
            if name not in self._registry.entries and self._any_alive(stray.keys)
        ]
        return Listing(
            account=self._identity.fingerprint,
            began=began,
            ended=self._clock.now(),
            complete=self._scan_complete,
            machines=tuple(sorted(machines, key=lambda m: (m.first_seen, m.id))),
        )

    def describe(self, machine_id: str) -> Machine:
        """Return one machine after a full look; a proven end is remembered. Raises NotFound."""
        self._look()
        entry = self._registry.entries.get(machine_id)
        if entry is not None and self._exists(entry):
            return self._machine(entry)
        stray = self._strays.get(machine_id)
        if stray is not None:
            return self._stray(machine_id, stray)
        ended = self._ended(machine_id)
        if ended is not None:
            return ended
        raise NotFound(f"no machine {machine_id[:64]!r} on this computer")

    def terminate(self, machine_id: str) -> EndAnswer:
        """End every process of the machine; return whether there was any.

        Raises Refused on an impossible id, Unavailable when some are left.
        """
        check_name(machine_id)
        entry = self._registry.entries.get(machine_id)
        if entry is not None and not self._here(entry):
            self._look()
            if machine_id not in self._strays:
                if self._exists(entry):
                    raise Unavailable("the machine runs in another pid namespace, out of reach from here")
                return EndAnswer.ABSENT
        if entry is not None:
            entry.ending = True
        wrapper = entry.record.wrapper if entry is not None and self._here(entry) else None
        seen: set[ProcessKey] = set()

        def find() -> set[ProcessKey]:
            found = self._find(machine_id)
            seen.update(found)
            return found

        quarry = Quarry(
            find=find,
            belongs=lambda process: self._belongs(process, machine_id),
            settled=lambda: self._scan_complete and (entry is None or entry.lock_is_free()),
            wrapper=wrapper,
        )
        left = end_all(self._table, quarry, self._pause)
        if left:
            raise Unavailable(f"at least {left} process of {machine_id} is still there", retry_after_s=1.0)
        return EndAnswer.ACCEPTED if seen else EndAnswer.ABSENT

    def look(self, name: str) -> Look:
        """Look through the whole table for one machine."""
        began = self._clock.now()
        self._look()
        state, detail, conclusive = self._verdict(name)
        return Look(began, self._clock.now(), state, detail, conclusive)

    def book_end(self, name: str, absent_since: datetime) -> datetime:
        """Close the books of a machine proven gone; return when it was first absent. Idempotent.

        Raises Unavailable when a look in between showed it again.
        """
        entry = self._registry.entries.get(name)
        if entry is not None:
            if self._exists(entry):
                raise Unavailable("it was seen again", 1.0)
            return self._registry.end(entry, entry.absent_since or absent_since).ended
        ended = self._registry.ended.get(name)
        return ended.ended if ended else absent_since

    def bill(self, since: datetime, until: datetime) -> list[BilledLine]:
        """Return a line for every ended machine that cost something and lived within the window."""
        return [
            BilledLine(e.name, e.began, e.ended, accrued(e.rate_usd_per_hour, e.seconds))
            for e in self._registry.ended.values()
            if e.rate_usd_per_hour and e.began < until and e.ended >= since
        ]

    def console(self, machine_id: str, after: int, size: int) -> bytes:
        """Return up to ``size`` bytes of a machine's console from byte ``after`` on; empty when there is none."""
        check_name(machine_id)
        return self._registry.console(machine_id, after, size)

    def wrappers(self) -> list[tuple[str, ProcessKey]]:
        """Return the first process of every machine that can be watched from here."""
        entries = self._registry.entries.values()
        return [(e.name, e.record.wrapper) for e in entries if e.record.wrapper is not None and self._here(e)]

    def _create(self, request: LaunchRequest, digest: str) -> tuple[Entry, int]:
        record = MachineRecord(
            name=request.name,
            digest=digest,
            account=self._identity.fingerprint,
            boot_id=self._identity.boot_id,
            pid_namespace=self._identity.pid_namespace,
            uid=self._identity.uid,
            began=self._clock.now(),
            rate_usd_per_hour=self._settings.price_usd_per_second * HOUR_SECONDS,
        )
        try:
            return self._registry.create(record)
        except OSError as error:
            raise Refused(f"the machine's directory could not be made: {error}") from error

    def _made_before(self, name: str, digest: str) -> Machine | None:
        self._refresh()
        entry, ended = self._registry.entries.get(name), self._registry.ended.get(name)
        if entry is not None and entry.damaged:
            raise Ambiguous(f"{name} was made before; its record is damaged and does not say from which request")
        known = entry.record.digest if entry is not None else ended.digest if ended is not None else None
        if known is None:
            return None
        if known != digest:
            raise Refused(f"{name} was launched before, from another request")
        return self._machine(entry) if entry is not None else self._ended(name)

    def _started(self, entry: Entry, wrapper: ProcessKey) -> None:
        update = {"wrapper_pid": wrapper.pid, "wrapper_start": wrapper.start}
        entry.record = entry.record.model_copy(update=update)
        try:
            entry.see({wrapper})
            self._registry.write(entry)
        except OSError as error:
            raise Ambiguous(f"the machine runs but could not be written down: {error}") from error

    def _needs_full_look(self) -> bool:
        if self._scanned_at is None or not self._scan_complete:
            return True
        if self._clock.monotonic() - self._scanned_at >= self._settings.full_scan_interval_s:
            return True
        entries = self._registry.entries.values()
        return any(e.absent_since is None and self._here(e) and not self._any_alive(e.members) for e in entries)

    def _refresh(self) -> None:
        """Take up what appeared. A machine whose record is damaged counts as one of here and now, at today's price."""
        self._registry.refresh()
        for entry in self._registry.entries.values():
            if entry.damaged and not entry.record.account:
                assumed = {
                    "account": self._identity.fingerprint,
                    "boot_id": self._identity.boot_id,
                    "pid_namespace": self._identity.pid_namespace,
                    "rate_usd_per_hour": self._settings.price_usd_per_second * HOUR_SECONDS,
                }
                entry.record = entry.record.model_copy(update=assumed)

    def _look(self) -> None:
        self._refresh()
        entries = {e.name: e for e in self._registry.entries.values() if self._here(e)}
        scan = self._table.scan()
        known = {name: entry.members for name, entry in entries.items()}
        known |= {name: stray.keys for name, stray in self._strays.items()}
        found = members(scan.processes, known, self._table.alive, os.getpid())
        for name, entry in entries.items():
            self._note(entry, found.pop(name, set()), scan.complete)
        now = self._clock.now()
        before = self._strays
        self._strays = {n: Stray(before[n].first_seen if n in before else now, keys) for n, keys in found.items()}
        self._scanned_at = self._clock.monotonic()
        self._scan_complete = scan.complete

    def _note(self, entry: Entry, seen: set[ProcessKey], complete: bool) -> None:
        seen = seen | {key for key in entry.members if key.pid != os.getpid() and self._table.alive(key)}
        entry.see(seen)
        if seen:
            entry.absent_since = None
        elif complete and entry.lock_is_free():
            entry.absent_since = entry.absent_since or self._clock.now()

    def _find(self, name: str) -> set[ProcessKey]:
        self._look()
        entry = self._registry.entries.get(name)
        if entry is not None and self._here(entry):
            return set(entry.members)
        stray = self._strays.get(name)
        return set(stray.keys) if stray is not None else set()

    def _belongs(self, process: Process, name: str) -> bool:
        if process.pid == os.getpid():
            return False
        if process.marker == name:
            return True
        entry = self._registry.entries.get(name)
        known = entry.members if entry is not None and self._here(entry) else set()
        parents = [key for key in known if key.pid == process.parent]
        return any(process.start >= key.start and self._table.alive(key) for key in parents)

    def _verdict(self, name: str) -> tuple[str, str, bool]:
        entry = self._registry.entries.get(name)
        if name in self._strays:  # also of a machine whose record says that it is elsewhere
            return "alive", f"{len(self._strays[name].keys)} processes carry its name", False
        if entry is None:
            if not self._scan_complete:
                return "unknown", "the process table could not be read whole", False
            return "absent", "no process carries its name", name in self._registry.ended
        if not self._here(entry):
            if not self._scan_complete:
                return "unknown", "the process table could not be read whole", False
            free = entry.lock_is_free()
            where = "an earlier boot" if entry.record.boot_id != self._identity.boot_id else "another pid namespace"
            return ("absent", f"its lock, held in {where}, is free", True) if free else ("unknown", where, False)
        if entry.absent_since is None or not entry.lock_is_free():
            if entry.members or not entry.lock_is_free():
                return "alive", f"{len(entry.members)} processes, lock held: {not entry.lock_is_free()}", False
            return "unknown", "the process table could not be read whole", False
        if not self._scan_complete:
            return "unknown", "the process table could not be read whole", False
        wrapper = entry.record.wrapper
        reaped = entry.reaped and wrapper is not None and not self._table.alive(wrapper)
        return "absent", "no process of it, its lock is free" + (", all reaped" if reaped else ""), reaped

    def _exists(self, entry: Entry) -> bool:
        if self._here(entry):
            return entry.absent_since is None
        return entry.name in self._strays or not entry.lock_is_free()

    def _here(self, entry: Entry) -> bool:
        record, here = entry.record, self._identity
        return record.boot_id == here.boot_id and record.pid_namespace == here.pid_namespace

    def _any_alive(self, keys: set[ProcessKey]) -> bool:
        return any(self._table.alive(key) for key in keys)

    def _machine(self, entry: Entry) -> Machine:
        stray = self._strays.get(entry.name)
        if stray is not None and not self._here(entry):
            return self._stray(entry.name, stray)
        wrapper = entry.record.wrapper
        return views.running(
            entry, here=self._here(entry), wrapper_alive=wrapper is not None and self._table.alive(wrapper)
        )

    def _stray(self, name: str, stray: Stray) -> Machine:
        return views.stray(name, self._identity.fingerprint, stray.first_seen, len(stray.keys))

    def _ended(self, name: str) -> Machine | None:
        ended = self._registry.ended.get(name)
        return views.ended(ended) if ended is not None else None
