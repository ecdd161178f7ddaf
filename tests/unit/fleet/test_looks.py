"""When to look into which folder: a bounded rate, nearest deadline first, nobody forgotten."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from actors.fleet.looks import LOOKS_PER_SECOND_MAX, Looks
from actors.fleet.messages import Watched
from messages.ids import JobId
from messages.jobs import JobState
from tests.support.jobs import ACCOUNT, START, USER

INTERVAL_S = 5.0


def watched(number: int, soft_s: float = 0, phase: JobState = JobState.RUNNING) -> Watched:
    return Watched(
        job_id=JobId.derived(str(number)),
        user_id=USER,
        attempt=1,
        name=f"n{number}",
        folder="jobs/user/job/1",
        account=ACCOUNT,
        phase=phase,
        soft_deadline=START + timedelta(seconds=soft_s),
    )


def crowd(count: int) -> tuple[Looks, dict[JobId, Watched]]:
    """Return ``count`` jobs, each with an earlier deadline than the one before it, all due at 0."""
    looks = Looks(INTERVAL_S)
    jobs = {one.job_id: one for one in (watched(n, soft_s=count - n) for n in range(count))}
    for one in jobs.values():
        looks.keep(one, 0.0)
    return looks, jobs


@pytest.mark.parametrize(("round_s", "taken"), [(1.0, 50), (0.1, 5), (0.001, 1)])
def test_a_round_takes_no_more_than_its_share_of_the_rate_and_always_one(round_s: float, taken: int) -> None:
    looks, jobs = crowd(200)
    assert len(looks.take(jobs, 0.0, round_s)) == taken
    assert LOOKS_PER_SECOND_MAX == 50


def test_the_nearest_deadline_is_looked_at_first() -> None:
    looks, jobs = crowd(120)
    order = [job_id for _ in range(3) for job_id in looks.take(jobs, 0.0, 1.0)]
    assert order == sorted(jobs, key=lambda job_id: jobs[job_id].soft_deadline)


def test_a_job_is_looked_at_again_after_the_interval_and_not_before() -> None:
    looks, jobs = crowd(1)
    assert looks.take(jobs, 0.0, 1.0) == list(jobs)
    assert looks.take(jobs, INTERVAL_S - 0.01, 1.0) == []
    assert looks.take(jobs, INTERVAL_S, 1.0) == list(jobs)


@pytest.mark.parametrize(("jobs", "interval_s"), [(0, 5), (250, 5), (500, 10), (1000, 20)])
def test_the_interval_grows_with_the_jobs_so_that_the_load_does_not(jobs: int, interval_s: float) -> None:
    looks, _ = crowd(jobs)
    assert looks.interval_s() == interval_s


def test_with_many_jobs_every_one_is_looked_at_and_the_rate_holds() -> None:
    looks, jobs = crowd(1000)
    seen: Counter[JobId] = Counter()
    for second in range(60):
        taken = looks.take(jobs, float(second), 1.0)
        assert len(taken) <= LOOKS_PER_SECOND_MAX
        seen.update(taken)
    assert set(seen.values()) == {3}
    assert len(seen) == 1000


@pytest.mark.parametrize("phase", JobState)
def test_only_folders_that_can_have_news_are_looked_into(phase: JobState) -> None:
    looks = Looks(INTERVAL_S)
    one = watched(1, phase=phase)
    looks.keep(one, 0.0)
    expected = phase in (JobState.LAUNCHING, JobState.STARTING, JobState.RUNNING)
    assert bool(looks.take({one.job_id: one}, 0.0, 1.0)) is expected


def test_a_job_whose_folder_has_nothing_more_to_say_is_dropped() -> None:
    looks, jobs = crowd(2)
    first, second = jobs.values()
    looks.keep(watched(0, phase=JobState.ENDING), 0.0)
    assert looks.take(jobs, 0.0, 1.0) == [second.job_id]
    looks.drop(second.job_id)
    looks.drop(first.job_id)
    assert looks.take(jobs, 1000.0, 1.0) == []


def test_news_of_a_job_does_not_bring_its_next_look_forward() -> None:
    looks, jobs = crowd(1)
    (one,) = jobs.values()
    looks.take(jobs, 0.0, 1.0)
    looks.keep(one, 1.0)
    assert looks.take(jobs, 1.0, 1.0) == []


def test_a_job_nobody_watches_any_more_is_not_looked_at() -> None:
    looks, _ = crowd(1)
    assert looks.take({}, 0.0, 1.0) == []
