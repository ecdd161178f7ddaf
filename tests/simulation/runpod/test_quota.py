"""Ninety jobs that end together at 60 calls a minute: every end is proven, and lists keep coming. Fault 13."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from itertools import pairwise

import pytest

from tests.emulators.runpod.settings import AccountSettings, Settings
from tests.emulators.runpod.wire import Request, Response
from tests.simulation.clouds.machines import Work
from tests.simulation.runpod.house import RunPodHouse, simulate
from tests.support.node import ARTIFACTS
from tests.support.runpod_sim import ACCOUNT

JOBS = 90
CALLS_A_MINUTE = 60
WORK_S = 300.0
"""Longer than ninety creates take: all work when the first ends."""
CLOSED_WITHIN_S = 900.0
"""From the order on: the work included."""
LIST_GAP_S_MAX = 60.1
"""Between the requests: ends may use a whole window of a minute, and the first list of the next one waits for the look
at the account (two round trips and the answer that opens the window, of 0.02 s each)."""


def rich() -> dict[str, AccountSettings]:
    accounts = Settings().accounts
    account = dataclasses.replace(accounts[ACCOUNT], balance=Decimal(10_000), spend_limit=Decimal(10_000))
    return {**accounts, ACCOUNT: account}


pytestmark = pytest.mark.no_cover


def test_ninety_jobs_that_end_together_are_all_closed_and_lists_keep_coming() -> None:
    quotas = {"minute": CALLS_A_MINUTE, "hour": CALLS_A_MINUTE * 50, "day": CALLS_A_MINUTE * 900}
    emulated = Settings(accounts=rich(), stock_default=1_000, quotas=quotas)

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

    limits = {"limits": {"max_machines": 1_000, "max_machines_per_user": 1_000}}
    simulate(story, works=lambda _name, _again: Work(WORK_S, artifacts=ARTIFACTS), emulated=emulated, settings=limits)
