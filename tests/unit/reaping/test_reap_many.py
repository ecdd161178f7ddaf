"""``lastcall reap`` with two hundred overdue pods: all are asked to end before the proofs of any use up the quota."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlsplit

from actors.journal import install as installs
from actors.runtime.virtual import VirtualClock
from actors.supervisor.ends import PROVEN_WITHIN_S
from lastcall import reaping
from messages.machines import MachineName
from messages.upkeep import ReapDocument
from providers.runpod.provider import build_runpod_training
from providers.transport import HttpReply, HttpRequest, NoReply
from tests.emulators.runpod.faults import Faults, Switch
from tests.emulators.runpod.platform import Platform
from tests.emulators.runpod.settings import Settings
from tests.support.runpod_sim import SimTransport, settings, with_volume
from tests.support.virtual import virtual

KEY = b"k" * 32
OURS = installs.Install("instal", "gene", KEY, datetime(2026, 1, 1, tzinfo=UTC), "1")
PODS = 200
A_MINUTE = 60
"""Calls the account may make a minute, as RunPod's own sample quota says (fact sheet 0)."""


class Stuck(SimTransport):
    """Answers no call that should end one of ``pods``."""

    pods: frozenset[str] = frozenset()

    async def request(self, request: HttpRequest) -> HttpReply:
        body = request.body if isinstance(request.body, bytes) else b""
        told = urlsplit(request.url).path + body.decode()
        if request.method != "GET" and any(pod in told for pod in self.pods):
            raise NoReply("no answer")
        return await super().request(request)


class Calls(NamedTuple):
    """What was asked of the platform."""

    all: int
    ends: int
    looks_before_the_last_end: int


class Yard:
    """Two hundred overdue pods on an emulated platform, with its usual quotas where none are given."""

    def __init__(self, quotas: dict[str, int] | None = None) -> None:
        self.clock = VirtualClock()
        now = self.clock.now()
        emulated = Settings(quotas=quotas) if quotas else Settings()
        self.platform = with_volume(Platform(emulated, now=now.timestamp()), now.timestamp())
        hard = now - timedelta(hours=1)
        self.names = [MachineName("instal", "gene", "zzzzzzzzzz", n + 1, hard).text(KEY) for n in range(PODS)]
        self.platform.arm(Faults(foreign_pods=Switch(tuple(self.names))), now.timestamp())
        self.transport = Stuck(self.platform, self.clock, latency_s=0.1)
        self.transport.keep_sent = True
        self.training = build_runpod_training(settings(), self.clock, self.transport)
        self.began_s = self.clock.monotonic()

    async def reap(self) -> ReapDocument:
        await self.clock.sleep(300)  # their absence counts
        self.transport.sent.clear()
        self.began_s = self.clock.monotonic()
        found = await reaping.reap(self.training, OURS, self.clock, dry_run=False)
        await self.training.close()
        self.platform.close()
        return found

    def ended_s(self) -> list[float]:
        """Return when each pod ended, by the platform's own books, since the order."""
        ours = [life.ended_at for life in self.platform.history() if life.name in self.names]
        began = self.clock.now().timestamp() - (self.clock.monotonic() - self.began_s)
        return sorted(at - began for at in ours if at is not None)

    def refuse(self, names: list[str]) -> None:
        """Let no end of these pods be answered."""
        self.transport.pods = frozenset(life.pod_id for life in self.platform.history() if life.name in names)

    def calls(self) -> Calls:
        sent = [(one.method, urlsplit(one.url).path) for one in self.transport.sent]
        ends = [number for number, (method, _) in enumerate(sent) if method != "GET"]
        looks = [number for number, (method, path) in enumerate(sent) if method == "GET" and "/pods/" in path]
        return Calls(len(sent), len(ends), sum(number < ends[-1] for number in looks))


@virtual
async def test_two_hundred_pods_are_all_asked_to_end_as_fast_as_the_quota_allows_and_then_proven() -> None:
    """What was asked bills no more; with proofs in between the last pod would bill for ten minutes."""
    yard = Yard()
    found = await yard.reap()
    took_s, ended, calls = yard.clock.monotonic() - yard.began_s, yard.ended_s(), yard.calls()
    assert len(ended) == PODS
    assert ended[-1] <= (PODS // A_MINUTE) * 60 + 10
    assert calls.ends <= PODS + (PODS // A_MINUTE) * reaping.ASKS_AT_ONCE
    assert calls.looks_before_the_last_end == 0
    assert calls.all <= 3 * PODS + 100
    assert took_s <= 60 * (calls.all / A_MINUTE + 1)
    assert all(row.gone for row in found.machines)
    assert (found.left, reaping.exit_code(found)) == (0, 0)


@virtual
async def test_with_quota_to_spare_two_hundred_pods_end_at_once() -> None:
    yard = Yard({"minute": 6_000, "hour": 100_000})
    found = await yard.reap()
    assert yard.ended_s()[-1] < 10
    assert yard.clock.monotonic() - yard.began_s < 360
    assert found.left == 0


@virtual
async def test_pods_whose_ends_fail_hold_up_neither_the_asking_nor_the_proofs_of_others() -> None:
    yard = Yard({"minute": 6_000, "hour": 100_000})
    stuck = yard.names[:20]
    yard.refuse(stuck)
    found = await yard.reap()
    assert len(yard.ended_s()) == PODS - len(stuck)
    assert yard.ended_s()[-1] < 40
    assert {row.name for row in found.machines if not row.gone} == set(stuck)
    assert all("the last call failed" in row.detail for row in found.machines if not row.gone)
    assert yard.clock.monotonic() - yard.began_s < 300 + PROVEN_WITHIN_S
