"""The seat of a daemon: its configuration, its state directory held for life, and what it opens there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actors.admin.address import bind, unbind
from actors.journal import install as installs
from actors.journal.lock import StateLock
from actors.journal.sqlite import SqliteJournal
from actors.journal.tables import standard
from actors.runtime.clock import SystemClock, SystemEntropy
from actors.runtime.world import World
from actors.views.tables import CostsTable, JobsTable
from lastcall import paths
from lastcall.config.load import Loaded, load

JOURNAL_FILE = "journal.sqlite"
WRAPPER_FOLDER = "wrapper"
PREDICTION_BYTES_MIN = 4 << 30
"""The numeric libraries reserve address space for every core before they use any."""


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
    """Read the configuration and take the state directory.

    Raises ConfigError, Refusal, StateLocked, JournalRefused, and OSError for a directory that cannot be used.
    """
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


def try_address(places: paths.Places) -> None:
    """See that the socket could be bound, and leave nothing there: a daemon that cannot serve must begin nothing.

    Raises Refusal (``E-LOCKED``, ``E-SOCKETPATH``, ``E-CONFIG``) or OSError when it could not.
    """
    unbind(bind(places.socket, lock_held=True, backlog=1, private_directory=not places.host_chosen))


async def open_journal(seat: Seat, world: World) -> SqliteJournal:
    """Open the journal with every read model of the node. Raises JournalRefused, JournalUnavailable, OSError."""
    return await SqliteJournal.open(
        seat.places.state_dir / JOURNAL_FILE,
        clock=world.clock,
        entropy=world.entropy.bytes,
        projections=(*standard(), JobsTable(), CostsTable()),
    )
