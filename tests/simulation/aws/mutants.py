"""Bugs of the AWS provider, planted one at a time: the simulation must find each, or it would not find its like.

What the core can do wrong is planted on RunPod. Each mutant is a context manager under which a run goes wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from typing import Any, Final
from unittest.mock import patch

from messages.machines import Gone, LaunchRequest, Machine, Proof
from providers.aws import codec, instances
from providers.aws.account import Account
from providers.aws.belongings import Belongings
from providers.aws.client import Client
from providers.aws.codec import Instance
from providers.aws.listing import Lister
from providers.aws.proof import Prover
from providers.aws.training import AwsTraining
from providers.interface import Ambiguous, EndAnswer
from providers.listing import Walk
from tests.support.aws_sim import FINGERPRINT

Mutant = Callable[[], AbstractContextManager[Any]]


@contextmanager
def new_token_each_time() -> Iterator[None]:
    """A create without an answer is sent again under another token, and its machine is read by its name alone."""
    create, numbers = instances.create, count()

    async def insistent(client: Client, parameters: Mapping[str, object], *leaves_within_s: float) -> Instance:
        try:
            return await create(client, parameters, *leaves_within_s)
        except Ambiguous:
            await client.clock.sleep(0.5)
            other = {**parameters, "ClientToken": f"{parameters['ClientToken']}-{next(numbers)}"}
            return await create(client, other, *leaves_within_s)

    with patch.object(instances, "create", insistent), tags_are_enough():
        yield


def tags_are_enough() -> AbstractContextManager[Any]:
    """Whatever has our tag is ours."""
    return patch.object(codec, "_name", lambda tags, _: tags.get(codec.NAME_TAG, "") or tags.get("Name", ""))


def _gone(self: Prover) -> Gone:
    now = self._client.clock.now()
    return Gone(account=FINGERPRINT, at=now, absent_since=now, listing_began=now, evidence=("one look",))


def one_not_found() -> AbstractContextManager[Any]:
    """One "not found" is a proof."""
    prove = Prover._prove

    async def quick(self: Prover, machine: Machine) -> Proof:
        return _gone(self) if await self._get(machine) is None else await prove(self, machine)

    return patch.object(Prover, "_prove", quick)


@contextmanager
def accepted_is_gone() -> Iterator[None]:
    """An end that was answered well is a proof."""
    terminate, prove = AwsTraining.terminate, Prover._prove
    accepted: set[str] = set()

    async def noting(self: AwsTraining, machine_id: str) -> EndAnswer:
        answer = await terminate(self, machine_id)
        accepted.add(machine_id)
        return answer

    async def trusting(self: Prover, machine: Machine) -> Proof:
        return _gone(self) if machine.id in accepted else await prove(self, machine)

    with patch.object(AwsTraining, "terminate", noting), patch.object(Prover, "_prove", trusting):
        yield


def disks_forgotten() -> AbstractContextManager[Any]:
    """Nobody looks for the disks of an instance that is gone."""

    return _unseen("volumes")


def requests_forgotten() -> AbstractContextManager[Any]:
    """Nobody looks for the spot request of an instance that is gone."""

    return _unseen("requests")


def _unseen(kind: str) -> AbstractContextManager[Any]:
    held = Prover._held

    async def blind(self: Prover, name: str, since: float) -> Belongings:
        return (await held(self, name, since))._replace(**{kind: ()})

    return patch.object(Prover, "_held", blind)


def first_page_only() -> AbstractContextManager[Any]:
    """The list is what its first page holds."""

    async def walk(self: Lister) -> Walk[Instance]:
        return Walk(list((await self._page(None, 1, self._page_items)).items), whole=True, paged=False)

    return patch.object(Lister, "_walk", walk)


def any_account_trusted() -> AbstractContextManager[Any]:
    """Whose account answers is not asked."""

    async def same(_: Account) -> str:
        return FINGERPRINT

    return patch.multiple(Account, confirm=same, fresh=same, known=same)


def any_account_rented_in() -> AbstractContextManager[Any]:
    """A machine is made under whatever account the keys are of."""
    launch = AwsTraining.launch

    async def careless(self: AwsTraining, request: LaunchRequest, **more: float) -> Machine:
        return await launch(self, request.model_copy(update={"account": None}), **more)

    return patch.object(AwsTraining, "launch", careless)


def place_of_the_zone() -> AbstractContextManager[Any]:
    """A machine says its zone where its offer spoke of the region."""
    return patch.object(codec, "_place", lambda _, zone: zone)


def repeated_for_ever() -> AbstractContextManager[Any]:
    """A create without an answer is repeated long after everybody believes that nothing was made."""
    return patch("providers.aws.unanswered.REPEAT_S", 3_600.0)


MUTANTS: Final[dict[str, tuple[Mutant, Sequence[int]]]] = {
    "a new token each time": (new_token_each_time, (1,)),
    "tags are enough": (tags_are_enough, (11,)),
    "one not found is a proof": (one_not_found, (0,)),
    "accepted is a proof": (accepted_is_gone, (0,)),
    "disks forgotten": (disks_forgotten, (39,)),
    "requests forgotten": (requests_forgotten, (74,)),
    "second page skipped": (first_page_only, (2201,)),
    "another account's list trusted": (any_account_trusted, (34,)),
    "rented in another account": (any_account_rented_in, (34,)),
    "on-demand ended for its zone": (place_of_the_zone, (4,)),
    "a create repeated for ever": (repeated_for_ever, (77,)),
}
"""Each with the seeds that found it when the draw was last changed."""
