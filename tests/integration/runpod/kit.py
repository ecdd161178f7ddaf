"""A provider on an emulated platform, on one clock that only moves when told."""

from __future__ import annotations

from collections.abc import Coroutine
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, TypeVar

from messages.ids import JobId
from messages.machines import Gone, LaunchRequest, Machine, MachineName, Offer, Proof
from providers.interface import Need, ProviderError
from providers.runpod.client import Call, path_of
from providers.runpod.provider import build_runpod_training
from providers.runpod.training import RunPodTraining
from tests.emulators.runpod.faults import Faults, Switch
from tests.emulators.runpod.platform import Platform
from tests.emulators.runpod.runner import PodRunner
from tests.emulators.runpod.settings import Settings
from tests.support.providers.clocks import ManualClock
from tests.support.runpod_sim import SimTransport, settings, with_volume

T = TypeVar("T")
NAME_KEY = b"integration"
NEED = Need(size_mb=1, model_type="auto", machine="NVIDIA RTX A5000")


class House:
    """Everything one test needs."""

    def __init__(self, emulated: Settings | None = None, runner: PodRunner | None = None, **changes: object) -> None:
        self.clock = ManualClock()
        self.platform = with_volume(Platform(emulated, runner, now=self.now()), self.now())
        self.transport = SimTransport(self.platform, self.clock)
        self.transport.keep_sent = True
        self.changes = changes
        self.training = self._open()

    def now(self) -> float:
        return self.clock.now().timestamp()

    def _open(self) -> RunPodTraining:
        return build_runpod_training(settings(**self.changes), self.clock, self.transport)

    async def reopen(self) -> None:
        """Let the daemon go and come again."""
        await self.training.close()
        self.training = self._open()

    def arm(self, **faults: Switch[Any]) -> None:
        """Switch faults on, by the names of ``Faults``."""
        self.platform.arm(Faults(**faults), self.now())

    def heal(self) -> None:
        self.platform.faults.heal()

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        return await self.clock.drive(work)

    async def offers(self, need: Need = NEED) -> list[Offer]:
        return await self.run(self.training.offers(need))

    async def request(self, number: int = 1) -> LaunchRequest:
        """Return a create request with a valid name."""
        job = JobId.derived("integration", str(number))
        hard: datetime = self.clock.now() + timedelta(hours=1)
        return LaunchRequest(
            name=MachineName("abcdef", "ghij", job.tail, 1, hard).text(NAME_KEY),
            job_id=job,
            attempt=1,
            offer=(await self.offers())[0],
            folder=f"jobs/user_usr_abcdefghij/{job}/1",
            soft_deadline=hard - timedelta(minutes=5),
            hard_deadline=hard,
            max_runtime_s=600,
        )

    async def launched(self, number: int = 1) -> tuple[LaunchRequest, Machine]:
        request = await self.request(number)
        return request, await self.run(self.training.launch(request))

    async def prove(self, machine: Machine) -> Proof:
        return await self.run(self.training.prove_gone(machine))

    async def ended(self, machine: Machine) -> Gone:
        """End a machine as its caller would."""
        for _ in range(60):
            with suppress(ProviderError):
                await self.run(self.training.terminate(machine.id))
            proof = await self.prove(machine)
            if isinstance(proof, Gone):
                return proof
            await self.clock.advance(10)
        raise TimeoutError(str(proof))

    async def act(self, machine: Machine, action: str) -> None:
        """Do to a pod what a person does in the console."""
        await self.run(
            self.training.client.read(Call("POST", path_of("pods", machine.id, "action"), body={"action": action}), "x")
        )

    def living(self, name: str) -> int:
        """Count pods of this name by the auditor's eyes."""
        return sum(pod.name == name for pod in self.platform.alive(self.now()))

    def calls(self, call: str) -> int:
        return self.platform.calls[call]

    async def close(self) -> None:
        await self.training.close()
        self.platform.close()
