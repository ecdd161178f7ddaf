"""Alarms with an end: raised once for what they are about, and over when their cause is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from actors.journal.interface import ANY, Journal, JournalUnavailable
from actors.runtime.world import Clock
from messages import events as ev

STREAM: Final = "node"
WAIT_FIRST_S: Final = 0.2
WAIT_MAX_S: Final = 30.0
"""Between two tries to write one down on a disk that takes nothing: the first pause, and the longest."""

T = TypeVar("T")


async def raise_alarm(
    journal: Journal, clock: Clock, log: Callable[..., Any], alarm: ev.AlarmRaised, actor: str
) -> None:
    """Write an alarm down, however long the disk takes; it is in the log at once."""
    log("alarm", alarm=alarm.alarm, code=alarm.code, detail=alarm.detail)
    await _insist(clock, lambda: journal.append(STREAM, ANY, [alarm], actor=actor))


async def end_alarm(journal: Journal, clock: Clock, alarm: str, subject: str, actor: str) -> None:
    """Write down that an alarm is over, whichever process raised it; nothing where none stands."""
    sql = "SELECT 1 FROM alarms WHERE alarm = ? AND subject = ?"
    if await _insist(clock, lambda: journal.query(sql, (alarm, subject))):
        ended = ev.AlarmEnded(alarm=alarm, subject=subject, at=clock.now())
        await _insist(clock, lambda: journal.append(STREAM, ANY, [ended], actor=actor))


async def _insist(clock: Clock, ask: Callable[[], Awaitable[T]]) -> T:
    wait_s = WAIT_FIRST_S
    while True:
        try:
            return await ask()
        except JournalUnavailable:
            await clock.sleep(wait_s)
            wait_s = min(WAIT_MAX_S, wait_s * 2)
