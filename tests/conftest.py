"""What holds for every test: sockets stay on this computer."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from typing import Any

import pytest

_real_connect = socket.socket.connect
_real_connect_ex = socket.socket.connect_ex
_real_sendto = socket.socket.sendto


class OutsideAddress(RuntimeError):
    """A test wanted to talk to something that is not on this computer."""


def check_address(family: int, address: Any) -> None:
    """Raise OutsideAddress unless ``address`` is a Unix socket or loopback."""
    if family not in (socket.AF_INET, socket.AF_INET6):
        return
    host = address[0].split("%")[0]
    try:
        inside = ipaddress.ip_address(host).is_loopback
    except ValueError:
        inside = host == "localhost"
    if not inside:
        raise OutsideAddress(f"tests stay on loopback; {address!r} is not")


def _connect(self: socket.socket, address: Any) -> None:
    check_address(self.family, address)
    _real_connect(self, address)


def _connect_ex(self: socket.socket, address: Any) -> int:
    check_address(self.family, address)
    return _real_connect_ex(self, address)


def _sendto(self: socket.socket, *arguments: Any) -> int:
    check_address(self.family, arguments[-1])
    return _real_sendto(self, *arguments)


@pytest.fixture(autouse=True, scope="session")
def loopback_only() -> Iterator[None]:
    """Refuse every address outside, for the whole run."""
    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", _connect)
    patch.setattr(socket.socket, "connect_ex", _connect_ex)
    patch.setattr(socket.socket, "sendto", _sendto)
    yield
    patch.undo()
