"""The daemon of end-to-end tests with a disk and a provider that fail on order.

``SIGUSR1`` makes every sync of the journal fail from then on. ``FINGERPRINT_FAILS=2`` lets the provider not answer the
first two questions for its account.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import apsw

from actors.journal.sqlite import SqliteJournal
from actors.supervisor.work import Program
from lastcall.daemon import main
from providers.interface import Unavailable
from providers.local.training import LocalTraining
from tests.support.faulty_vfs import FaultyVFS
from tests.support.quick_work import PROGRAMS

RETRY_AFTER_S = 0.1

_vfs = FaultyVFS()
_open = SqliteJournal.open.__func__  # type: ignore[attr-defined]
_fingerprint = LocalTraining.fingerprint
_asked = 0


async def _open_on_faulty_disk(cls: type[SqliteJournal], *arguments: Any, **named: Any) -> Any:
    return await _open(cls, *arguments, vfs=_vfs.name, **named)


async def _answer_later(self: LocalTraining) -> str:
    global _asked
    _asked += 1
    if _asked <= int(os.environ.get("FINGERPRINT_FAILS", "0")):
        raise Unavailable("an outage on order", RETRY_AFTER_S)
    return await _fingerprint(self)


def _break_the_disk(_number: int, _frame: object) -> None:
    _vfs.fail_sync = apsw.SQLITE_IOERR_FSYNC


if __name__ == "__main__":
    SqliteJournal.open = classmethod(_open_on_faulty_disk)  # type: ignore[method-assign,assignment]
    LocalTraining.fingerprint = _answer_later  # type: ignore[method-assign]
    signal.signal(signal.SIGUSR1, _break_the_disk)
    sys.exit(main(program=Program(argv=(sys.executable, str(PROGRAMS), "work.json", "out"))))
