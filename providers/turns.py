"""Letting others run in the middle of long work: one loop serves everybody, and nothing may hold it for long."""

from __future__ import annotations

import asyncio


async def turn() -> None:
    """Let everybody else run who can, and go on in the next turn of the loop. No time needs to pass."""
    await asyncio.sleep(0)
