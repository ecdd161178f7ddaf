"""A job written down again from its machine's name and its folder: what is believed, and what keeps it from that."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from actors.fleet.recovery import LIFE_S_MAX, NotAdoptable, Remains, Takeover, check_job, find_folder, offer_of
from actors.ledger.requests import Held
from actors.runtime.virtual import VirtualClock
from actors.storage.access import Layout
from actors.supervisor.pending import pending
from actors.supervisor.state import Job, fold
from actors.supervisor.work import INPUT_NAME
from messages import events as ev
from messages.folder import Spec, Started, Work
from messages.ids import JobId, UserId
from messages.jobs import Binding, JobState, Outcome
from messages.machines import MachineName
from messages.money import ZERO
from providers.fake.cloud import FakeCloud
from providers.fake.settings import FakeSettings
from providers.fake.storage import FakeStorage
from tests.support.jobs import ACCOUNT, JOB, NAMING, START, TIMINGS, USER, machine, offer, queued
from tests.support.virtual import virtual

HARD = START + timedelta(hours=3)
BINDING = Binding(provider="fake", account=ACCOUNT, config_digest="c")
DATA = f"datasets/user_{USER}/ds_dddddddddd/data.csv"


async def whole(data: bytes) -> AsyncIterator[bytes]:
    yield data


def name(attempt: int = 1) -> MachineName:
    return MachineName("instal", "gene", JOB.tail, attempt, HARD)


def remains(attempt: int = 1, written: datetime = START, started: datetime | None = None) -> Remains:
    spec = Spec(
        job_id=JOB,
        attempt=attempt,
        work=Work(argv=("python",)),
        work_spec={"name": "churn-aaa", "target": "churn", "model": "ridge", "dataset_sha256": "0" * 64, "seed": 7},
        inputs={INPUT_NAME: DATA},
    )
    told = Started(attempt=attempt, nonce="n", started_at=started, machine="m") if started else None
    return Remains(USER, f"jobs/user_{USER}/{JOB}/{attempt}", spec, written, told)


def takeover(attempt: int = 1, seen: datetime = START, **left: datetime) -> Takeover:
    found = machine(name(attempt).text(NAMING.key), seen=seen)
    return Takeover(found, name(attempt), remains(attempt, **left), offer(), TIMINGS)


def adopted(attempt: int = 1, job: Job | None = None) -> Job:
    held = Held(reservation=f"{JOB}/{attempt}", hold_usd=Decimal(1), at=START)
    events = takeover(attempt).events(job, Layout(), BINDING, held, START + timedelta(hours=1))
    found = fold(events, job)
    if found is None:
        raise LookupError("no events")
    return found


@pytest.mark.parametrize("attempt", [1, 2, 4])
def test_the_job_stands_where_its_machine_runs_and_nothing_is_due_but_to_watch_it(attempt: int) -> None:
    job = adopted(attempt)
    assert job.phase is JobState.STARTING
    assert [a.number for a in job.attempts] == list(range(1, attempt + 1))
    assert [a.ended is not None for a in job.attempts] == [True] * (attempt - 1) + [False]
    assert pending(job, "another run", granted=True) == ()
    assert job.spent_usd == 0
    assert (job.plan.spec.target, job.plan.spec.model, job.plan.spec.seed) == ("churn", "ridge", 7)
    assert job.plan.limits.max_billed_attempts == 1


def test_its_deadlines_are_those_of_its_name() -> None:
    request = adopted().attempts[0].request
    assert request is not None
    assert request.hard_deadline == HARD
    assert request.soft_deadline == HARD - timedelta(seconds=300)
    assert request.max_runtime_s == 3 * 3600 - 1200 - 300


def test_it_is_paid_for_from_its_earliest_sign_and_no_clock_makes_it_older_than_it_can_be() -> None:
    late, early = START + timedelta(hours=1), START + timedelta(minutes=5)
    assert takeover(seen=late, written=early).began == early
    assert takeover(seen=late, written=late, started=early).began == early
    assert takeover(seen=early, written=late).began == early
    wrong = START - timedelta(days=4000)
    assert takeover(written=wrong).began == HARD - timedelta(seconds=LIFE_S_MAX)


def test_an_old_backup_that_still_has_the_job_queued_keeps_its_own_plan() -> None:
    job = fold([queued()])
    found = adopted(2, job)
    assert found.plan == queued().plan
    assert [a.number for a in found.attempts] == [1, 2]


def _job(*events: ev.Event) -> Job:
    job = fold([queued(), *events])
    if job is None:
        raise LookupError("no events")
    return job


def _reserved(attempt: int) -> ev.MoneyReserved:
    return ev.MoneyReserved(attempt=attempt, reservation=f"{JOB}/{attempt}", hold_usd=Decimal(1), at=START)


def _ended(attempt: int) -> ev.AttemptEnded:
    return ev.AttemptEnded(attempt=attempt, rate_usd_per_hour=ZERO, fixed_usd=ZERO, cost_usd=ZERO)


CLOSED = ev.JobClosed(outcome=Outcome.CANCELLED, cost_usd=ZERO, at=START)


@pytest.mark.parametrize(
    ("job", "attempt", "why"),
    [
        (_job(CLOSED), 1, "over in this journal"),
        (_job(_reserved(1)), 2, "attempt 1 of its job is still open"),
        (_job(_reserved(1), _ended(1)), 1, "its attempt is over"),
    ],
)
def test_a_job_that_leaves_no_room_for_the_attempt_is_left_alone(job: Job, attempt: int, why: str) -> None:
    with pytest.raises(NotAdoptable, match=why):
        check_job(job, name(attempt), USER)


@pytest.mark.parametrize(
    "key", [f"models/user_{USER}/ds_dddddddddd/data.csv", f"jobs/user_{USER}/{JOB}/1/spec.json", "", "../x"]
)
def test_a_spec_that_names_no_data_set_of_its_user_is_not_believed(key: str) -> None:
    left = remains()
    left = left._replace(spec=left.spec.model_copy(update={"inputs": {INPUT_NAME: key}}))
    with pytest.raises(NotAdoptable):
        takeover()._replace(remains=left).check(Layout())


@virtual
@pytest.mark.parametrize(
    ("change", "believed"),
    [({}, True), ({"attempt": 2}, False), ({"job_id": JobId("job_bbbbbbbbbb")}, False)],
    ids=["its own", "another attempt's", "another job's"],
)
async def test_a_spec_of_another_job_or_attempt_is_not_believed_wherever_it_lies(
    change: dict[str, object], believed: bool
) -> None:
    store = FakeStorage(FakeCloud(FakeSettings(), VirtualClock()))
    left = remains()
    spec = left.spec.model_copy(update=change).model_dump_json().encode()
    await store.put(f"{left.folder}/spec.json", whole(spec))
    if believed:
        assert (await find_folder(store, Layout(), name(), USER)).folder == left.folder
    else:
        with pytest.raises(NotAdoptable):
            await find_folder(store, Layout(), name(), USER)


def test_a_folder_of_another_user_is_not_believed() -> None:
    with pytest.raises(NotAdoptable, match="another user"):
        check_job(_job(), name(), UserId("usr_bbbbbbbbbb"))


@pytest.mark.parametrize(
    ("job", "attempt"),
    [(None, 3), (_job(), 1), (_job(), 2), (_job(_reserved(1)), 1), (_job(_reserved(1), _ended(1)), 2)],
)
def test_a_job_with_room_for_the_attempt_takes_it(job: Job | None, attempt: int) -> None:
    check_job(job, name(attempt), USER)
    found = adopted(attempt, job)
    assert [a.number for a in found.attempts] == list(range(1, attempt + 1))
    assert found.attempts[-1].machine is not None


def test_the_offer_is_the_one_of_its_type_and_place_at_the_price_it_bills() -> None:
    offers = [
        offer("small", "0.10"),
        offer("big", "0.50").model_copy(update={"disk_usd_per_hour": Decimal("0.02"), "gpu": "G", "gpu_count": 1}),
    ]
    seen = machine("m", rate="0.60").model_copy(update={"machine_type": "big", "place": "here", "gpu_count": 2})
    found = offer_of(seen, offers, "fake")
    assert (found.id, found.rate_usd_per_hour, found.disk_usd_per_hour) == ("big", Decimal("0.60"), Decimal("0.02"))
    assert found.gpu_count == 2
    elsewhere = offer_of(seen.model_copy(update={"place": "there"}), offers, "fake")
    assert (elsewhere.id, elsewhere.disk_usd_per_hour) == ("big@there", ZERO)
    silent = offer_of(seen.model_copy(update={"rate_usd_per_hour": None, "gpu_count": None}), offers, "fake")
    assert (silent.rate_usd_per_hour, silent.gpu_count) == (Decimal("0.50"), 1)
