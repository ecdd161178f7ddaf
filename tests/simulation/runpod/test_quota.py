"""Ninety jobs at once at a small quota: each is intended once and sent in time, and every end is proven. Fault 13."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Awaitable, Callable
from decimal import Decimal
from itertools import pairwise

from actors.dispatcher.actor import WhyQueued
from actors.supervisor.rules import SEND_WITHIN_S
from messages import events as ev
from messages.jobs import JobState
from tests.emulators.runpod.settings import AccountSettings, Settings
from tests.emulators.runpod.wire import Request, Response
from tests.simulation.clouds.machines import Work
from tests.simulation.runpod.house import RunPodHouse, simulate
from tests.support.node import ARTIFACTS, ASK_S
from tests.support.runpod_sim import ACCOUNT

JOBS = 90
CALLS_A_MINUTE = 60
WORK_S = 300.0
"""Longer than ninety creates take: all work when the first ends."""
CLOSED_WITHIN_S = 900.0
"""From the order on: the work included."""
FEW_CALLS_A_MINUTE = 30
BEGUN_A_MINUTE = 15
"""Half of these calls: the others are for lists and ends."""
LIST_GAP_S_MAX = 60.1
"""Between the requests: ends may use a whole window of a minute, and the first list of the next one waits for the look
at the account (two round trips and the answer that opens the window, of 0.02 s each)."""


def rich() -> dict[str, AccountSettings]:
    accounts = Settings().accounts
    account = dataclasses.replace(accounts[ACCOUNT], balance=Decimal(10_000), spend_limit=Decimal(10_000))
    return {**accounts, ACCOUNT: account}


def emulated(calls_a_minute: int) -> Settings:
    quotas = {"minute": calls_a_minute, "hour": calls_a_minute * 50, "day": calls_a_minute * 900}
    return Settings(accounts=rich(), stock_default=1_000, quotas=quotas)


def test_ninety_jobs_that_end_together_are_all_closed_and_lists_keep_coming() -> None:
    async def story(house: RunPodHouse) -> None:
        lists = [house.now()]
        handle = house.platform.handle

        def heard(request: Request, now: float) -> Response:
            response = handle(request, now)
            if request.method == "GET" and request.path.endswith("/pods") and response.status == 200:
                lists.append(now)
            return response

        house.platform.handle = heard  # type: ignore[method-assign]
        dataset = await house.upload()
        jobs = [await house.train(dataset=dataset) for _ in range(JOBS)]
        began = house.now()
        while not all([(await house.job(job)).closed for job in jobs]):
            assert house.now() - began <= CLOSED_WITHIN_S
            await house.clock.sleep(10.0)
        assert house.billing() == 0
        assert max(later - earlier for earlier, later in pairwise(lists)) <= LIST_GAP_S_MAX

    told(story, CALLS_A_MINUTE)


def test_ninety_jobs_at_once_begin_as_fast_as_creates_can_be_sent_and_none_is_intended_in_vain() -> None:
    """What cannot be sent now waits without an intent; none waits for ever, and none is sent late."""

    async def story(house: RunPodHouse) -> None:
        dataset = await house.upload()
        jobs = [await house.train(dataset=dataset) for _ in range(JOBS)]
        began, reasons = house.now(), Counter[str]()
        while waiting := await house.node.dispatcher.ask(WhyQueued(), ASK_S):
            assert house.now() - began <= JOBS / BEGUN_A_MINUTE * 60
            reasons.update(waiting.values())
            await house.clock.sleep(5.0)
        assert max(reasons, key=reasons.__getitem__) == "runpod takes no further machine at this moment"
        assert set(reasons) <= {"runpod takes no further machine at this moment", "it is about to begin"}
        for job_id in jobs:
            await house.until(job_id, JobState.RUNNING)
        asked_at = {life.name: life.asked_at for life in house.platform.history() if not life.foreign}
        assert len(asked_at) == JOBS
        for job_id in jobs:
            intents = [r.event for r in await house.events(job_id) if isinstance(r.event, ev.LaunchIntended)]
            assert len(intents) == 1, "intended in vain"
            assert 0 <= asked_at[intents[0].request.name] - intents[0].at.timestamp() <= SEND_WITHIN_S

    told(story, FEW_CALLS_A_MINUTE)


def told(story: Callable[[RunPodHouse], Awaitable[None]], calls_a_minute: int) -> None:
    limits = {"limits": {"max_machines": 1_000, "max_machines_per_user": 1_000}}
    simulate(
        story,
        works=lambda _name, _again: Work(WORK_S, artifacts=ARTIFACTS),
        emulated=emulated(calls_a_minute),
        settings=limits,
    )
