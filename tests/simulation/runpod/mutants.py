"""Twelve bugs, planted one at a time: the simulation must find each, or it would not find its like.

A mutant is a context manager under which a run goes wrong; ``SEEDS`` names those that are known to find it, which are
tried first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from decimal import Decimal
from typing import Any, Final
from unittest.mock import patch

from actors.fleet.actor import FleetWatch
from actors.fleet.messages import Watched
from actors.ledger.state import LedgerState
from actors.storage.folder import JobFolder
from actors.supervisor import decide, driver
from actors.supervisor.inputs import Input, StopAsked, Vanished
from actors.supervisor.pending import Launch, pending
from actors.supervisor.state import Job, fold
from messages import events as ev
from messages.jobs import ResultMarker
from messages.machines import Gone, LaunchRequest, Listing, Machine, MachineName, Proof
from providers.interface import Ambiguous, EndAnswer
from providers.listing import Walk
from providers.runpod import pods
from providers.runpod.account import Account
from providers.runpod.client import Client
from providers.runpod.codec import Pod, Volume
from providers.runpod.listing import Lister
from providers.runpod.proof import Prover
from providers.runpod.training import RunPodTraining
from tests.support.runpod_sim import PLACE

Mutant = Callable[[], AbstractContextManager[Any]]
LATE_S: Final = 0.5


def intent_after_create() -> AbstractContextManager[Any]:
    """The create is sent as soon as it is decided; the intent becomes durable a little later."""
    append = driver.JobDriver._append

    async def hasty(self: driver.JobDriver, events: list[ev.Event], cause: str | None) -> None:
        if any(isinstance(event, ev.LaunchIntended) for event in events):
            ahead = fold(events, self._job)
            if ahead is not None:
                due = pending(ahead, self._rules.run, granted=True)
                self._runner.ensure(ahead, [effect for effect in due if isinstance(effect, Launch)])
                await self._clock.sleep(LATE_S)
        await append(self, events, cause)

    return patch.object(driver.JobDriver, "_append", hasty)


def blind_retry() -> AbstractContextManager[Any]:
    """A create without a clean answer is sent again."""
    create = pods.create

    async def insistent(client: Client, request: LaunchRequest, leaves_within_s: float) -> Pod:
        try:
            return await create(client, request, leaves_within_s)
        except Ambiguous:
            await client.clock.sleep(LATE_S)
            return await create(client, request, leaves_within_s)

    return patch.object(pods, "create", insistent)


def _gone(self: Prover) -> Gone:
    now = self._client.clock.now()
    return Gone(account=self._account.fingerprint, at=now, absent_since=now, listing_began=now, evidence=("one look",))


def one_404() -> AbstractContextManager[Any]:
    """One "not found" is a proof."""
    prove = Prover._prove

    async def quick(self: Prover, machine: Machine) -> Proof:
        if await self._get(machine) is None:
            return _gone(self)
        return await prove(self, machine)

    return patch.object(Prover, "_prove", quick)


@contextmanager
def accepted_is_gone() -> Iterator[None]:
    """An end that was answered well is a proof."""
    terminate, prove = RunPodTraining.terminate, Prover._prove
    accepted: set[str] = set()

    async def noting(self: RunPodTraining, machine_id: str) -> EndAnswer:
        answer = await terminate(self, machine_id)
        accepted.add(machine_id)
        return answer

    async def trusting(self: Prover, machine: Machine) -> Proof:
        return _gone(self) if machine.id in accepted else await prove(self, machine)

    with patch.object(RunPodTraining, "terminate", noting), patch.object(Prover, "_prove", trusting):
        yield


def first_page_only() -> AbstractContextManager[Any]:
    """The list is what its first page holds."""

    async def walk(self: Lister) -> Walk[Pod]:
        first = await self._page(None, 1, self._page_items)
        return Walk(list(first.items), whole=True, paged=False)

    return patch.object(Lister, "_walk", walk)


def empty_list_trusted() -> AbstractContextManager[Any]:
    """A machine that an empty list does not show is gone."""
    listed = FleetWatch._listed

    async def trusting(self: FleetWatch, listing: Listing) -> None:
        if listing.complete and not listing.machines:
            for watched in list(self._watched.values()):
                self._tell(watched.job_id, _vanished(watched))
        await listed(self, listing)

    return patch.object(FleetWatch, "_listed", trusting)


def _vanished(watched: Watched) -> Vanished:
    return Vanished(attempt=watched.attempt, machine_id=str(watched.machine_id), detail="not listed")


def any_account_trusted() -> AbstractContextManager[Any]:
    """Whose account answers is not asked."""

    async def look(self: Account) -> Volume:
        settings = self._client.settings
        return Volume(settings.volume_id, "lastcall", 50, settings.data_center or PLACE)

    return patch.object(Account, "_look", look)


def reservation_leaked() -> AbstractContextManager[Any]:
    """The end of an attempt is booked, and what was held for it stays held."""
    release = LedgerState._release

    def leaking(self: LedgerState, event: ev.Released) -> None:
        held = self.reserved_usd
        release(self, event)
        self.reserved_usd = held if event.spent_usd == Decimal(0) else self.reserved_usd

    return patch.object(LedgerState, "_release", leaking)


def marker_ignored() -> AbstractContextManager[Any]:
    """A machine's result is not looked at."""

    async def blind(_: JobFolder) -> ResultMarker | None:
        return None

    return patch.object(JobFolder, "read_marker", blind)


def stop_lost() -> AbstractContextManager[Any]:
    """A stop that comes while the create is out is forgotten."""
    heard = decide._heard

    def deaf(job: Job, said: Input, *more: Any) -> list[ev.Event]:
        attempt = job.current
        lost = isinstance(said, StopAsked) and attempt is not None and attempt.intent and not attempt.machine
        return [] if lost else heard(job, said, *more)

    return patch.object(decide, "_heard", deaf)


@contextmanager
def deadline_ignored() -> Iterator[None]:
    """Time alone ends no machine."""
    running, seen = decide._running, decide._folder_seen
    timed = ("no_start", "deadline", "budget")

    def is_timed(event: ev.Event | None) -> bool:
        return isinstance(event, ev.EndDecided) and event.reason in timed

    def endless(*args: Any) -> ev.Event | None:
        event = running(*args)
        return None if is_timed(event) else event

    def patient(*args: Any) -> list[ev.Event]:
        return [event for event in seen(*args) if not is_timed(event)]

    with (
        patch.object(decide, "_running", endless),
        patch.object(decide, "_folder_seen", patient),
        patch.object(driver, "next_wake", lambda *_: None),
    ):
        yield


@contextmanager
def any_name_reaped() -> Iterator[None]:
    """A name that begins like ours is ours."""
    parse = MachineName.parse

    def lenient(name: str, key: bytes) -> MachineName | None:
        found = parse(name, key)
        parts = name.split("-")
        if found is None and len(parts) >= 5 and parts[0] == "lc1" and parts[4][1:].isdigit():
            hard = int(parts[4][1:])
            spelled = f"{'-'.join(parts[:4])}-x{hard:010d}"
            return parse(_completed(spelled, key), key)
        return found

    with patch.object(MachineName, "parse", lenient):
        yield


def _completed(stem: str, key: bytes) -> str:
    from messages.machines import _check

    return f"{stem}-{_check(key, stem)}"


MUTANTS: Final[dict[str, tuple[Mutant, Sequence[int]]]] = {
    "intent after create": (intent_after_create, (5, 36)),
    "blind retry of a create": (blind_retry, (0, 31)),
    "one 404 trusted at once": (one_404, (862,)),
    "204 trusted as proof": (accepted_is_gone, (66, 97)),
    "second page skipped": (first_page_only, (218,)),
    "empty list trusted": (empty_list_trusted, (71, 12)),
    "foreign key's list trusted": (any_account_trusted, (7,)),
    "reservation leaked": (reservation_leaked, (1, 32)),
    "marker ignored": (marker_ignored, (0, 1)),
    "stop lost during create": (stop_lost, (48, 79)),
    "deadline not enforced": (deadline_ignored, (22, 239)),
    "prefix-cut name reaped": (any_name_reaped, (47, 171)),
}
"""Each with the seeds that found it when the draw was last changed."""
