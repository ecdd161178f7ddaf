"""Who says that the machine is taken, and how much time that leaves."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from containers.job.policy import ANNOUNCED_GRACE_S, INTERRUPT_GRACE_S
from containers.job.signals import Signals

TAKEN = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP)


@pytest.fixture
def signals() -> Iterator[Signals]:
    before = [(number, signal.getsignal(number)) for number in TAKEN]
    made = Signals()
    made.install()
    yield made
    signal.set_wakeup_fd(-1)
    for number, handler in before:
        signal.signal(number, handler)
    made.close()


def test_an_announcement_leaves_more_time_than_a_signal_and_the_signal_counts(signals: Signals) -> None:
    assert signals.grace_s() is None
    signals.notice()
    assert (signals.noticed, signals.grace_s()) == (True, ANNOUNCED_GRACE_S)
    os.kill(os.getpid(), signal.SIGTERM)
    assert (signals.noticed, signals.grace_s()) == (True, INTERRUPT_GRACE_S)
