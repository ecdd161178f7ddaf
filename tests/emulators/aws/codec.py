"""EC2's wire: a query in, XML out, both held to the service model that botocore ships; what it lacks is refused."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any
from xml.sax.saxutils import escape

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel, Shape

from tests.emulators.aws.problems import Problem

VERSION = "2016-11-15"
NAMESPACE = f"http://ec2.amazonaws.com/doc/{VERSION}/"
PARAMETERS_MAX = 1000
LIST_MAX = 1000


@cache
def model() -> Any:
    """Return EC2's service model; reading it takes a third of a second, once."""
    return ServiceModel(Loader().load_service_model("ec2", "service-2"), "ec2")


@cache
def _operations() -> frozenset[str]:
    return frozenset(model().operation_names)


def operation(name: str) -> OperationModel:
    """Return an operation. Raises Problem."""
    if name not in _operations():
        raise Problem("InvalidAction", f"The action {name} is not valid for this web service.")
    return model().operation_model(name)


def read(action: str, given: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return an operation's parameters under the model's names. Raises Problem on anything it does not have."""
    tree: dict[str, Any] = {}
    pairs = list(given)
    if len(pairs) > PARAMETERS_MAX:
        raise Problem("RequestEntityTooLarge", "too many parameters")
    for name, value in pairs:
        _plant(tree, name, value)
    shape = operation(action).input_shape
    if shape is None:
        if tree:
            raise _unknown(next(iter(tree)))
        return {}
    found: dict[str, Any] = _structure(shape, tree, "")
    return found


def render(action: str, document: Mapping[str, Any], request_id: str) -> bytes:
    """Return an answer as XML. Raises KeyError or TypeError where the model has no such answer."""
    shape = operation(action).output_shape
    inner = _members(shape, document) if shape is not None else "<return>true</return>"
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<{action}Response xmlns="{NAMESPACE}">'
        f"<requestId>{request_id}</requestId>{inner}</{action}Response>"
    ).encode()


def instant(at: float) -> str:
    """Return a time as EC2 writes it, to the millisecond."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# Reading.


def _plant(tree: dict[str, Any], name: str, value: str) -> None:
    place = tree
    *parents, last = name.split(".")
    for part in parents:
        below = place.setdefault(part, {})
        if not isinstance(below, dict):
            raise Problem("InvalidParameterCombination", f"The parameter {name} contradicts another")
        place = below
    if last in place:
        raise Problem("InvalidParameterCombination", f"The parameter {name} has been used more than once")
    place[last] = value


def _wire_name(member: Shape, default: str) -> str:
    serialization = member.serialization
    if "queryName" in serialization:
        return str(serialization["queryName"])
    name = str(serialization.get("name", default))
    return name[0].upper() + name[1:]


@cache
def _wire_names(shape: Shape) -> Mapping[str, str]:
    """Return how each member of a structure is called in a query → its name."""
    return {_wire_name(member, name): name for name, member in shape.members.items()}


def _structure(shape: Shape, tree: Any, path: str) -> dict[str, Any]:
    if not isinstance(tree, dict):
        raise Problem("InvalidParameterValue", f"The parameter {path} has members")
    known = _wire_names(shape)
    for name in tree:
        if name not in known:
            raise _unknown(_join(path, name))
    for name in shape.required_members:
        wire = _wire_name(shape.members[name], name)
        if wire not in tree:
            raise Problem("MissingParameter", f"The request must contain the parameter {_join(path, wire)}")
    return {known[wire]: _value(shape.members[known[wire]], below, _join(path, wire)) for wire, below in tree.items()}


def _value(shape: Shape, tree: Any, path: str) -> Any:
    if shape.type_name == "structure":
        return _structure(shape, tree, path)
    if shape.type_name == "list":
        return _list(shape, tree, path)
    if not isinstance(tree, str):
        raise Problem("InvalidParameterValue", f"The parameter {path} has no members")
    return _scalar(shape, tree, path)


def _list(shape: Shape, tree: Any, path: str) -> list[Any]:
    if not isinstance(tree, dict):
        raise Problem("InvalidParameterValue", f"The parameter {path} is a list")
    for key in tree:
        if not key.isdecimal() or not 1 <= int(key) <= LIST_MAX:
            raise _unknown(_join(path, key))
    return [_value(shape.member, tree[key], _join(path, key)) for key in sorted(tree, key=int)]


def _scalar(shape: Shape, text: str, path: str) -> Any:
    kind = shape.type_name
    wrong = Problem("InvalidParameterValue", f"Value ({text}) for parameter {path} is invalid.")
    if kind in ("integer", "long"):
        if not text.removeprefix("-").isdecimal():
            raise wrong
        return int(text)
    if kind in ("double", "float"):
        return Decimal(text)
    if kind == "boolean":
        if text.lower() not in ("true", "false"):
            raise wrong
        return text.lower() == "true"
    if kind == "blob":
        try:
            return base64.b64decode(text, validate=True)
        except binascii.Error:
            raise wrong from None
    if kind == "timestamp":
        try:
            return datetime.fromisoformat(text).timestamp()
        except ValueError:
            raise wrong from None
    if kind == "string" and shape.enum and text not in shape.enum:
        raise wrong
    return text


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _unknown(name: str) -> Problem:
    return Problem("UnknownParameter", f"The parameter {name} is not recognized")


# Writing.


@cache
def _tags(shape: Shape) -> Mapping[str, tuple[Shape, str]]:
    """Return each member of a structure and its tag."""
    return {name: (member, str(member.serialization.get("name", name))) for name, member in shape.members.items()}


def _members(shape: Shape, document: Mapping[str, Any]) -> str:
    tags = _tags(shape)
    if not document.keys() <= tags.keys():
        raise KeyError(f"{shape.name} has no {', '.join(name for name in document if name not in tags)}")
    return "".join([_element(*tags[name], value) for name, value in document.items() if value is not None])


def _element(shape: Shape, tag: str, value: Any) -> str:
    kind = shape.type_name
    if kind == "structure":
        inner = _members(shape, value)
    elif kind == "list":
        member = shape.member
        name = str(member.serialization.get("name", "item"))
        inner = "".join([_element(member, name, one) for one in value])
    elif kind == "boolean":
        inner = "true" if value else "false"
    elif kind == "timestamp":
        inner = instant(value)
    else:
        inner = escape(str(value))
    return f"<{tag}>{inner}</{tag}>"
