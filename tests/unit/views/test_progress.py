"""What a running job's work said last is in its document until the job is over."""

from __future__ import annotations

from actors.fleet.messages import Live
from actors.views.building import job_part
from messages.folder import Progress
from tests.support.jobs import Story

SAID = Live(progress=Progress(stage="fit", percent=42.5, message="round 25 of 100", metric={"loss": 0.5}, left_s=240.0))


def test_how_long_it_takes_and_how_good_it_is_so_far_is_told_while_it_runs() -> None:
    story = Story().running()
    part = job_part(story.job, SAID, story.now)
    assert (part.percent, part.message) == (42.5, "round 25 of 100")
    assert (part.left_s, part.metric) == (240.0, {"loss": 0.5})
    story.marked().ended()
    over = job_part(story.job, SAID, story.now)
    assert (over.left_s, over.metric) == (None, None)
