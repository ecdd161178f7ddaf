"""What the machine has been told so far: deadline, stop, notice, claim. One for all steps of an attempt."""

from __future__ import annotations

from typing import Callable

from containers.job.clock import Clock
from containers.job.courier import Courier
from containers.job.policy import INTERRUPT_GRACE_S, Limits, Moment, bounded_soft_deadline, time_left
from containers.job.settings import Settings
from containers.job.timer import AFTER_DEADLINE_S, Timer


class Standing:
    """Turns what courier, signals and clocks say into the moment ``policy.decide`` judges."""

    def __init__(
        self, settings: Settings, clock: Clock, courier: Courier, timer: Timer, grace_s: Callable[[], float | None]
    ) -> None:
        self.limits = Limits(settings.term_lead_s, settings.kill_lead_s, settings.stop_grace_s)
        self._settings = settings
        self._clock = clock
        self._courier = courier
        self._timer = timer
        self._grace_s = grace_s
        self._soft = settings.soft_deadline
        self._seq: int | None = None
        self._began = clock.boot()
        self._stop_since: float | None = None
        self._notice_since: float | None = None

    def moment(self, past_limit_s: float | None = None, memory_share: float = 0.0) -> Moment:
        """Return how things stand now. A stop, once heard, stays."""
        self._hear_control()
        now = self._clock.boot()
        grace_s = self._grace_s()
        if self._notice_since is None and grace_s is not None:
            self._notice_since = now
        return Moment(
            left_s=time_left(self._soft, self._clock.wall(), self._settings.max_runtime_s, now - self._began),
            stopping_s=None if self._stop_since is None else now - self._stop_since,
            interrupted_s=None if self._notice_since is None else now - self._notice_since,
            interrupt_grace_s=INTERRUPT_GRACE_S if grace_s is None else grace_s,
            past_limit_s=past_limit_s,
            memory_share=memory_share,
            fenced=self._courier.fenced,
        )

    def noticed_s(self) -> float:
        """Return seconds since the platform's notice was heard; 0 without one."""
        return 0.0 if self._notice_since is None else self._clock.boot() - self._notice_since

    def _hear_control(self) -> None:
        control = self._courier.control
        if control is None or control.seq == self._seq:
            return
        self._seq = control.seq
        self._soft = bounded_soft_deadline(
            control.soft_deadline, self._settings.soft_deadline, self._settings.hard_deadline
        )
        self._timer.move_deadline(self._soft)
        if control.stop_requested and self._stop_since is None:
            self._stop_since = self._clock.boot()
            self._timer.shorten_span(self._settings.stop_grace_s + AFTER_DEADLINE_S)
