"""What the look into a job's folder decides: of this attempt only, and never by what is missing or cannot be read."""

from __future__ import annotations

from datetime import timedelta

from actors.fleet.folders import Folders
from actors.fleet.messages import Watched
from actors.runtime.virtual import EPOCH, SeededEntropy, VirtualClock
from actors.storage.folder import FolderView
from actors.supervisor.inputs import FolderSeen, Input
from messages.folder import STARTED, Heartbeat, Started
from messages.ids import JobId
from messages.jobs import JobState
from providers.fake.provider import build_fake
from providers.fake.settings import FakeSettings
from tests.support.jobs import JOB
from tests.support.node import CannedSpawner
from tests.support.virtual import virtual
from tests.support.watching import NAME, watched

SAID = Started(attempt=1, nonce="n", started_at=EPOCH, machine=NAME)


class Desk:
    """Folders of one job, and what its supervisor hears."""

    def __init__(self, job: Watched, *, sure: bool = True) -> None:
        self.clock = VirtualClock()
        self.heard: list[Input] = []
        provider = build_fake(FakeSettings(), self.clock, SeededEntropy(1), CannedSpawner())
        self.folders = Folders(provider, {JOB: job}, self._hear, lambda: sure, lambda *_, **__: None, lambda _: "WHY")

    def _hear(self, _: JobId, heard: Input) -> None:
        self.heard.append(heard)

    def note(self, job: Watched, view: FolderView, *, late: bool = False) -> list[Input]:
        """Return what is heard of one view."""
        self.heard.clear()
        self.folders.note(job, view, self.clock, late=late)
        return list(self.heard)


def beat(at_s: float) -> FolderView:
    return FolderView(heartbeat=Heartbeat(attempt=1, at=EPOCH + timedelta(seconds=at_s)))


@virtual
async def test_a_look_that_was_begun_for_an_earlier_attempt_says_nothing_of_this_one() -> None:
    """Its marker would end a machine that works."""
    desk = Desk(watched(JobState.STARTING, attempt=2))
    assert desk.note(watched(JobState.STARTING, attempt=1), FolderView(started=SAID)) == []
    assert desk.folders.live([JOB]) == {}
    [heard] = desk.note(watched(JobState.STARTING, attempt=2), FolderView(started=SAID))
    assert isinstance(heard, FolderSeen)
    assert heard.started == SAID


@virtual
async def test_a_file_that_is_there_and_cannot_be_read_is_no_missing_start() -> None:
    job = watched(JobState.STARTING)
    desk = Desk(job)
    assert desk.note(job, FolderView(reasons={STARTED: "not JSON"}), late=True) == []
    [heard] = desk.note(job, FolderView(), late=True)
    assert isinstance(heard, FolderSeen)
    assert (heard.no_start, heard.why) == (True, "WHY")


@virtual
async def test_a_start_is_late_only_by_a_clock_that_is_sure() -> None:
    for sure in (False, True):
        job = watched(JobState.STARTING, made_at=EPOCH)
        desk = Desk(job, sure=sure)
        await desk.clock.sleep(86_400)
        await desk.folders.look(job, desk.clock)
        assert [getattr(heard, "no_start", None) for heard in desk.heard] == ([True] if sure else [])


@virtual
async def test_only_a_heartbeat_that_is_new_counts_as_heard() -> None:
    """An old one is what a dead machine leaves in its folder."""
    job = watched()
    desk = Desk(job)
    desk.note(job, beat(1))
    await desk.clock.sleep(15)
    desk.note(job, beat(1))
    assert desk.folders.heard_s(JOB) == 0.0
    desk.note(job, beat(16))
    assert desk.folders.heard_s(JOB) == 15.0
