"""aioresponses that fits the aiohttp in use: its answers lack an argument aiohttp now requires.

Import ``aioresponses`` from here.
"""

from __future__ import annotations

from typing import Any

import aiohttp
from aioresponses import aioresponses, core


class _Writer:
    output_size = 0


class _Answer(aiohttp.ClientResponse):
    def __init__(self, *arguments: Any, stream_writer: Any = None, **named: Any) -> None:
        writer: Any = stream_writer or _Writer()
        super().__init__(*arguments, stream_writer=writer, **named)


setattr(core, "ClientResponse", _Answer)  # noqa: B010  (not exported)

__all__ = ["aioresponses"]
