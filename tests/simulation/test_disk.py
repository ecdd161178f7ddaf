"""The journal's own disk fails under a running node: full, read-only, failing sync. Real SQLite on a failing VFS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from actors.journal.sqlite import SqliteJournal
from actors.journal.tables import standard
from actors.views.tables import CostsTable, JobsTable
from messages.errors import Refusal
from messages.jobs import JobState, Outcome
from tests.support.faulty_vfs import FaultyVFS
from tests.support.node import NodeKit, good, virtually

pytestmark = pytest.mark.no_cover
"""Full disks on every append, with steps that others take too."""

FAULTS = {"full": ("fail_write", apsw.SQLITE_FULL), "read-only": ("fail_write", apsw.SQLITE_READONLY)}


@pytest.fixture
def vfs() -> Iterator[FaultyVFS]:
    made = FaultyVFS()
    yield made
    made.unregister()


async def on_disk(house: NodeKit, path: Path, vfs: FaultyVFS) -> None:
    """Move the node to a journal in a file of its own."""
    await house.stop()

    async def opened() -> SqliteJournal:
        return await SqliteJournal.open(
            path / "journal.sqlite",
            clock=house.clock,
            entropy=house.entropy.bytes,
            projections=(*standard(), JobsTable(), CostsTable()),
            threaded=False,
            vfs=vfs.name,
            reserve_bytes=1 << 16,
        )

    house.open_journal = opened
    await house.start()


def fail(vfs: FaultyVFS, how: str) -> None:
    if how == "sync":
        vfs.fail_sync = apsw.SQLITE_IOERR_FSYNC
    else:
        name, code = FAULTS[how]
        setattr(vfs, name, code)


@pytest.mark.parametrize("how", ["full", "read-only", "sync"])
def test_a_failing_disk_launches_nothing_and_still_ends_what_runs(tmp_path: Path, vfs: FaultyVFS, how: str) -> None:
    """Faults 45 and 46."""

    async def story(house: NodeKit) -> None:
        await on_disk(house, tmp_path, vfs)
        house.cloud.script_next(good(10_000))
        dataset = await house.upload()
        job_id = await house.train(dataset=dataset)
        await house.until(job_id, JobState.RUNNING)
        fail(vfs, how)
        with pytest.raises(Refusal, match=r"E-JOURNAL.*are being ended"):
            await house.halt(job_id)
        await house.clock.sleep(15)
        assert house.billing() == 0
        await house.clock.sleep(600)
        assert not [actor for actor in house.node.system.inspect() if actor.parked]
        with pytest.raises(Refusal, match="E-JOURNAL"):
            await house.train(dataset=dataset)
        assert house.cloud.launches == 1
        vfs.heal()
        if how == "sync":  # what is on disk is not known any more: only a new start may write again
            await house.restart()
        job = await house.closed(job_id)
        assert job.closed is not None
        # A stop that could not be written is forgotten by a restart: its sender was told so and may ask again.
        assert (job.closed.outcome is Outcome.CANCELLED) == (how != "sync")
        await house.ended(await house.train(dataset=dataset), Outcome.SUCCEEDED)
        assert house.billing() == 0

    virtually(story)
