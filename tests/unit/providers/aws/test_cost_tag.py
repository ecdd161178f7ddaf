"""What AWS may answer when it is to activate a cost allocation tag, and the emulated one does not."""

from __future__ import annotations

from typing import Any

import pytest

from providers.aws.client import Call
from providers.aws.cost_tag import Split, split_bill
from providers.interface import Unavailable

INACTIVE = {"CostAllocationTags": [{"TagKey": "lastcall:name", "Status": "Inactive", "Type": "UserDefined"}]}


class Answers:
    """A client with answers prepared."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self._answers = list(answers)

    async def read(self, _call: Call, _what: str) -> dict[str, Any]:
        return self._answers.pop(0)


def client(*answers: dict[str, Any]) -> Any:
    return Answers(*answers)


def free() -> None:
    """Nobody minds what it costs."""


def refused(code: str) -> dict[str, Any]:
    return {"Errors": [{"TagKey": "lastcall:name", "Code": code, "Message": "no"}]}


async def test_a_tag_that_is_forgotten_between_look_and_change_is_not_known_yet() -> None:
    assert await split_bill(client(INACTIVE, refused("TagKeysNotFoundException")), free) is Split.UNKNOWN


async def test_any_other_refusal_of_the_tag_is_told_as_it_came() -> None:
    with pytest.raises(Unavailable, match="TagLimitExceeded: no when asked to activate"):
        await split_bill(client(INACTIVE, refused("TagLimitExceeded")), free)


async def test_an_answer_about_another_tag_says_nothing_of_ours() -> None:
    other = {"CostAllocationTags": [{"TagKey": "other", "Status": "Active"}]}
    assert await split_bill(client(other), free) is Split.UNKNOWN
