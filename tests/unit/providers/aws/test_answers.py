"""EC2's answers, read as botocore's own parser reads them."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element, tostring

import botocore.parsers
import pytest

from providers.aws.answers import Ec2Parser, _members
from tests.emulators.aws.codec import model, render

DEPTH = 8
OPERATIONS = (
    "DescribeImages",
    "DescribeInstances",
    "DescribeInstanceTypes",
    "DescribeSpotInstanceRequests",
    "DescribeSpotPriceHistory",
    "DescribeSubnets",
    "DescribeVolumes",
    "GetConsoleOutput",
    "RunInstances",
    "TerminateInstances",
)
VALUES = {"boolean": True, "integer": 7, "long": 7, "double": 0.5, "float": 0.5, "timestamp": 1_767_225_600.5}


def filled(shape: Any, depth: int = DEPTH) -> Any:
    """Return a value that has everything its shape can have, lists of two."""
    if shape.type_name == "structure":
        return {name: filled(one, depth - 1) for name, one in shape.members.items()} if depth else {}
    if shape.type_name == "list":
        return [filled(shape.member, depth - 1) for _ in range(2)] if depth else []
    return VALUES.get(shape.type_name, " a & b ")


def both(operation: str, body: bytes) -> tuple[Any, Any]:
    """Return what our parser reads, and what botocore's does; the kind of error where it refuses."""
    shape = model().operation_model(operation).output_shape
    said: list[Any] = []
    for parser in (Ec2Parser(), botocore.parsers.EC2QueryParser()):
        try:
            said.append(parser.parse({"status_code": 200, "headers": {}, "body": body}, shape))
        except Exception as error:
            said.append(type(error))
    return said[0], said[1]


def plain(value: Any) -> Any:
    """Return a value without XML: of a name that stands twice botocore gives the elements themselves."""
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return tostring(value) if isinstance(value, Element) else value


@pytest.mark.parametrize("operation", OPERATIONS)
def test_all_that_an_answer_can_hold_is_read_as_botocore_reads_it(operation: str) -> None:
    shape = model().operation_model(operation).output_shape
    assert _members(shape) is not None, "so that it is our way that is held here"
    ours, theirs = both(operation, render(operation, filled(shape), "r"))
    assert ours == theirs
    assert len(str(ours)) > 100


@pytest.mark.parametrize(
    "inner",
    [
        b"<instancesSet><item><instanceId>i-1</instanceId></item></instancesSet><newer><x>1</x></newer>",
        b"<instancesSet/><ownerId/>",
        b"<ownerId>1</ownerId><ownerId>2</ownerId>",
        b"<instancesSet><item/></instancesSet><instancesSet><item/></instancesSet>",
        b"text",
    ],
    ids=["what is newer", "nothing", "a name twice", "a list twice", "text"],
)
def test_what_is_odd_is_read_or_refused_as_botocore_does(inner: bytes) -> None:
    body = (
        b'<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><reservationSet><item>'
        + inner
        + b"</item></reservationSet><requestId>r</requestId></DescribeInstancesResponse>"
    )
    ours, theirs = both("DescribeInstances", body)
    assert plain(ours) == plain(theirs)
