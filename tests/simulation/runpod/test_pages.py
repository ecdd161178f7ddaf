"""Fault 6: a create without an answer whose pod shows late, on the list that a deletion between its pages spoils."""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import patch

import pytest

from messages.jobs import Outcome
from tests.emulators.runpod.settings import Settings
from tests.emulators.runpod.wire import Request, Response
from tests.simulation.runpod.cloud import WIDE
from tests.simulation.runpod.test_must_hold import Story, tell, work

PAGE = 3
STRANGERS = 6
"""Whole pages of three and of two: our pod is the first of the next page in every list."""
LATE_S = 179.0
"""After the create: the pod comes into being a second before the quiet time is over."""


@pytest.fixture(autouse=True)
def small_pages() -> Iterator[None]:
    with patch("providers.runpod.listing.PAGE_ITEMS", PAGE):
        yield


def test_a_late_pod_that_a_deletion_between_two_pages_hides_is_adopted_and_not_made_again() -> None:
    async def told(story: Story) -> None:
        house = story.house
        story.arm(foreign_pods=[f"stranger-{n}" for n in range(STRANGERS)])
        story.arm(foreign_pods=None)
        story.arm(create__materialise_after={"value": LATE_S, "calls": 1})
        hidden: list[float] = []
        handle = house.platform.handle

        def heard(request: Request, now: float) -> Response:
            """Spoil the first list that could show it, before the page it would be the first of."""
            exists = any(not pod.foreign for pod in house.platform.alive(now))
            if exists and not hidden and request.query.endswith(f".{STRANGERS}"):
                hidden.append(now)
                story.arm(list__mid_delete={"value": 1, "calls": 1})
            return handle(request, now)

        house.platform.handle = heard  # type: ignore[method-assign]
        job_id = await house.train()
        job = await story.closed(job_id, Outcome.SUCCEEDED)
        ambiguous = job.attempts[0].ambiguous
        assert ambiguous is not None
        assert hidden[0] >= ambiguous.call_ended.timestamp() + 180, "the list was too early to be the only evidence"
        assert house.platform.faults.hits["list.mid_delete"] == 1
        assert len(job.attempts) == 1
        await story.over(pods=1)

    tell(told, emulated=Settings(quotas=WIDE), **work(120.0))
