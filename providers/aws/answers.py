"""EC2's answers as values, read by what stands in them.

botocore's own parser asks of every instance for each of the some sixty things an instance can have, and takes the
namespace off each name with a pattern: most of what a list costs this computer. Whatever is not plain is left to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import botocore.parsers

_APART: Final = ("location", "eventheader", "flattened", "xmlAttribute")
"""What makes a member one that does not simply stand in its structure under its name."""


class Ec2Parser(botocore.parsers.EC2QueryParser):  # type: ignore[misc]
    """botocore's parser of EC2's protocol, quicker at structures."""

    def _handle_structure(self, shape: Any, node: Any) -> dict[str, Any]:
        known = _members(shape)
        if known is None or isinstance(node, list):
            return super()._handle_structure(shape, node)  # type: ignore[no-any-return]
        parsed: dict[str, Any] = {}
        for child in node:
            found = known.get(_plain(child.tag))
            if found is None:
                continue  # newer than our models
            name, member = found
            if name in parsed:
                return super()._handle_structure(shape, node)  # type: ignore[no-any-return]
            parsed[name] = self._parse_shape(member, child)
        return parsed

    def _node_tag(self, node: Any) -> str:
        return _plain(node.tag)


def _plain(tag: str) -> str:
    """Return a name without its namespace."""
    return tag.rpartition("}")[2]


@cache
def _members(shape: Any) -> Mapping[str, tuple[str, Any]] | None:
    """Return a structure's members by their names in XML, or ``None`` where one of them is not plain."""
    special = shape.metadata.get("exception") or shape.is_tagged_union
    if special or any(key in one.serialization for one in shape.members.values() for key in _APART):
        return None
    named = {str(one.serialization.get("name", name)): (name, one) for name, one in shape.members.items()}
    return named if len(named) == len(shape.members) else None
