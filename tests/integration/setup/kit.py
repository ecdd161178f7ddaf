"""A setup on an emulated RunPod, in virtual time: who is asked, what pods run, what the emulator counted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from actors.runtime.clock import SystemEntropy
from lastcall.config.load import load
from lastcall.setup import trial_program
from lastcall.setup.ground import Ground
from lastcall.setup.runpod import RunPodSetup, Wishes
from lastcall.setup.steps import Report, Step
from tests.emulators.runpod.faults import Faults, Switch
from tests.emulators.runpod.platform import Platform
from tests.emulators.runpod.runner import PodSpec
from tests.emulators.runpod.s3 import S3Key, S3Keys, VolumeS3
from tests.emulators.runpod.scripts import Box, ScriptRunner, TimedScript
from tests.emulators.runpod.settings import MAIN_KEY, Settings
from tests.support.providers.clocks import ManualClock
from tests.support.runpod_sim import PLACE, VOLUME, SimTransport, with_volume

ACCESS = "user_main"
SECRET = "rps_MAIN00000000000000000000000000"
MUTATIONS = ("pods.create", "pods.delete", "pods.action.terminate", "volumes.create", "graphql.podTerminate")
PLAIN = Wishes()


class Someone:
    """A person with answers prepared."""

    def __init__(self, *secrets: str, agrees: bool | Callable[[str], bool] = True) -> None:
        self.secrets = list(secrets)
        self.steps: list[Step] = []
        self.questions: list[str] = []
        self.heard: list[str] = []
        self.typed: str | None = None
        """What is typed when something must be."""
        self._agrees = agrees

    def told(self, step: Step) -> None:
        self.steps.append(step)

    def waits(self, text: str) -> None:
        self.heard.append(text)

    def agrees(self, question: str) -> bool:
        self.questions.append(question)
        return self._agrees(question) if callable(self._agrees) else self._agrees

    def secret(self, what: str) -> str | None:
        return self.secrets.pop(0) if self.secrets else None

    def types(self, what: str) -> str | None:
        self.questions.append(what)
        return self.typed


def trial_pod(spec: PodSpec, now: float) -> TimedScript:
    """What ``trial_program`` does, in virtual time."""
    folder = spec.env["LASTCALL_JOB_FOLDER"].removeprefix(f"{spec.mount_path}/")

    def put(box: Box, name: str, at: float, **document: Any) -> None:
        assert box.files is not None
        box.files.put(f"{folder}/{name}", json.dumps(document).encode(), at)

    def first(at: float, box: Box) -> None:
        put(box, trial_program.FIRST, at, exclusive=True, link=True)

    def second(at: float, box: Box) -> None:
        put(box, trial_program.SECOND, at, ending=True)

    def end(at: float, box: Box) -> None:
        calls = [{"route": "delete", "status": (answer := box.terminate(at)).status, "accepted": answer.status < 300}]
        answer = box.terminate_by_graphql(at)
        calls.append({"route": "graphql", "status": answer.status, "accepted": False})
        put(box, trial_program.CALLS, at, calls=calls)

    if spec.start == 1:
        return TimedScript(now, [(2, first), (2 + trial_program.UPTIME_S, lambda _, box: box.exit(0))])
    return TimedScript(now, [(2, second), (2 + trial_program.SEEN_S, end)])


class Bench:
    """One computer and one account."""

    def __init__(
        self,
        root: Path,
        emulated: Settings | None = None,
        *,
        volume: bool = True,
        script: Callable[[PodSpec, float], Any] = trial_pod,
    ) -> None:
        self.clock = ManualClock()
        self.root = root
        self.file = root / "config" / "config.toml"
        self.state = root / "state"
        keys = S3Keys([S3Key(ACCESS, SECRET, "user_main")])
        self.platform = Platform(
            emulated,
            ScriptRunner(script),
            now=self.now(),
            s3=lambda platform: VolumeS3(platform.volumes, keys),
        )
        if volume:
            with_volume(self.platform, self.now())
        self.transport = SimTransport(self.platform, self.clock)
        self.environ = {
            "RUNPOD_API_KEY": MAIN_KEY,
            "RUNPOD_STORAGE_ACCESS_KEY": ACCESS,
            "RUNPOD_STORAGE_SECRET_KEY": SECRET,
            "XDG_CONFIG_HOME": str(root / "none"),
        }

    def now(self) -> float:
        return self.clock.now().timestamp()

    def arm(self, **faults: Switch[Any]) -> None:
        self.platform.arm(Faults(**faults), self.now())

    def alive(self) -> list[str]:
        return [pod.name for pod in self.platform.alive(self.now())]

    def changes(self) -> dict[str, int]:
        """Return the calls that could have changed something."""
        return {call: count for call in MUTATIONS if (count := self.platform.calls[call])}

    def make(self, person: Someone, wishes: Wishes = PLAIN) -> RunPodSetup:
        config = str(self.file) if self.file.exists() else None
        loaded = load(self.environ, self.root, flags={"provider": "local"}, config=config)
        ground = Ground(
            loaded.settings, loaded.origins, self.file, self.state, self.transport, self.clock, SystemEntropy()
        )
        return RunPodSetup(ground, wishes, person)

    async def set_up(self, person: Someone | None = None, wishes: Wishes = PLAIN) -> Report:
        return await self.clock.drive(self.make(person or Someone(), wishes).run())

    async def set_up_until(self, there: Callable[[], bool], person: Someone | None = None, times: int = 1) -> list[str]:
        """Begin, interrupt it as Ctrl-C does once ``there``, let it end, and return what it says may be left."""
        setup = self.make(person or Someone())
        work = asyncio.create_task(setup.run())
        while not there() and not work.done():
            await self.clock.advance(0.05)
        for _ in range(times):
            work.cancel()
            await self.clock.advance(0.05)
        while not work.done():
            await self.clock.advance(1)
        assert work.cancelled(), work
        return setup.left

    async def close(self) -> None:
        await self.transport.close()
        self.platform.close()


def states(report: Report) -> dict[str, str]:
    """Return the state of each step by name; of steps of one name the last."""
    return {step.name: step.state for step in report.steps}


def step(report: Report, name: str) -> Step:
    """Return the last step of a name."""
    return [one for one in report.steps if one.name == name][-1]


__all__ = ["ACCESS", "PLACE", "SECRET", "VOLUME", "Bench", "Someone", "states", "step"]
