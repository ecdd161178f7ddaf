"""The machines that pods live on, and their clock: what happens to a pod by itself, and what is done to it."""

from __future__ import annotations

import heapq
import random
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from tests.emulators.runpod.auth import Keys
from tests.emulators.runpod.ledger import Ledger
from tests.emulators.runpod.podenv import find_image, make_spec
from tests.emulators.runpod.podstate import Config, Fate, Hardware, Life, Pod, Status, Who
from tests.emulators.runpod.runner import PodBroken, PodRunner
from tests.emulators.runpod.settings import Settings

SPOT_GRACE_S = 5.0
"""SIGTERM → SIGKILL when a host takes a machine back (fact sheet 2.6)."""
PULL_LINE_S = 30.0
"""Between two lines about an image that cannot be pulled."""
OOM_CODE = 137
GHOSTS_MAX = 1000
PLAIN = Fate()


class Hosts:
    """All pods of one platform. Every method takes the time; nothing here reads a clock."""

    def __init__(self, settings: Settings, runner: PodRunner, ledger: Ledger, keys: Keys, rng: random.Random) -> None:
        self._settings = settings
        self._runner = runner
        self._ledger = ledger
        self._keys = keys
        self._rng = rng
        self._pods: dict[str, Pod] = {}
        self._due: list[tuple[float, int, int, str]] = []
        self._made = 0
        self.lives: dict[str, Life] = {}
        """Every pod there ever was."""
        self.ghosts: deque[Pod] = deque(maxlen=GHOSTS_MAX)
        """The last pods that ended, for lists that show them too long."""

    # What there is.

    def get(self, pod_id: str) -> Pod | None:
        """Return a pod that exists."""
        pod = self._pods.get(pod_id)
        return pod if pod is not None and pod.exists else None

    def pods(self, account: str | None = None) -> Iterator[Pod]:
        """Yield the pods that exist, oldest first."""
        return (one for one in self._pods.values() if one.exists and account in (None, one.account))

    def usage(self) -> Counter[tuple[str, str]]:
        """Return how many GPUs and vCPUs are taken, by type and place."""
        taken: Counter[tuple[str, str]] = Counter()
        for one in self._pods.values():
            if one.status is not Status.EXITED:
                taken[one.hardware.id, one.hardware.data_center] += one.hardware.count
        return taken

    # What happens by itself.

    def next_due(self) -> float | None:
        """Return when a pod next changes by itself."""
        while self._due and not self._holds(self._due[0]):
            heapq.heappop(self._due)
        return self._due[0][0] if self._due else None

    def step(self, now: float) -> None:
        """Do the one thing that is due first."""
        if self.next_due() is None:
            return
        pod = self._pods[heapq.heappop(self._due)[3]]
        if not pod.exists:
            self._materialise(pod, now)
        elif pod.status is Status.PROVISIONING:
            self._place(pod, now)
        elif pod.status is Status.STARTING:
            self._pull(pod, now)
        elif pod.status is Status.RUNNING and pod.up_since is None:
            self._start_container(pod, now)

    def look(self, pod_id: str, now: float) -> None:
        """Ask the runner whether a pod's first process has ended."""
        pod = self._pods.get(pod_id)
        if pod is None or pod.up_since is None:
            return
        code = self._runner.poll(pod_id, now)
        self.collect(pod, now)
        if code is not None:
            self._container_ended(pod, code, now)

    def collect(self, pod: Pod, now: float) -> None:
        """Take what the container printed into the pod's log."""
        for at, line in self._runner.lines(pod.id):
            pod.log.add(now if at is None else at, "container", line)

    # What is done to pods.

    def create(
        self, account: str, config: Config, hardware: Hardware, price: Decimal, now: float, fate: Fate = PLAIN
    ) -> Pod:
        """Return a new pod; it exists at once, or later where its fate is to be late."""
        self._made += 1
        pod_id = self.new_id(14)
        life = Life(pod_id, config.name, account, now, foreign=fate.foreign)
        pod = Pod(pod_id, self._made, account, config, hardware, price, life, fate=fate)
        self._pods[pod_id] = pod
        self.lives[pod_id] = life
        if fate.late_s > 0:
            self._plan(pod, now + fate.late_s)
        else:
            self._materialise(pod, now)
        return pod

    def new_id(self, length: int) -> str:
        """Return an id nobody has."""
        return "".join(self._rng.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=length))

    def stop(self, pod: Pod, who: Who, how: str, now: float, grace_s: float | None = None) -> None:
        """End the pod's program and keep the pod."""
        self._runner.kill(pod.id, self._settings.stop_grace_s if grace_s is None else grace_s, now)
        self._drop(pod, now)
        pod.log.add(now, "system", "stop container")
        pod.life.stopped.append((now, who, how))
        self._move(pod, Status.EXITED, now)

    def start(self, pod: Pod, now: float) -> None:
        """Start a stopped pod on its own machine."""
        self._move(pod, Status.STARTING, now)
        self._plan(pod, now + self._settings.pull_s)

    def restart(self, pod: Pod, now: float) -> None:
        """Begin the container anew; its own disk is empty then."""
        if pod.status is not Status.RUNNING:
            return
        self._runner.kill(pod.id, 0.0, now)
        self._drop(pod, now)
        self._start_container(pod, now)

    def change(self, pod: Pod, config: Config, now: float, *, reset: bool) -> None:
        """Take a changed configuration; ``reset`` begins a running container anew."""
        pod.config = config
        self._charge(pod, now)
        if reset:
            self.restart(pod, now)

    def terminate(self, pod: Pod, who: Who, how: str, now: float) -> None:
        """End a pod: no bill from now on, its processes killed whole."""
        self._runner.kill(pod.id, self._settings.terminate_grace_s, now)
        self._drop(pod, now)
        self._move(pod, Status.TERMINATED, now)
        pod.life.ended_at, pod.life.ended_by, pod.life.how = now, who, how
        pod.log.add(now, "system", "remove container")
        del self._pods[pod.id]
        self.ghosts.append(pod)
        self._runner.forget(pod.id, now)

    def balance_gone(self, account: str, now: float) -> None:
        """Stop an account's pods; those without a network volume are deleted (fact sheet 2.6)."""
        for pod in list(self.pods(account)):
            if pod.config.volume_id is None:
                self.terminate(pod, "platform", "balance", now)
            elif pod.status is not Status.EXITED:
                self.stop(pod, "platform", "balance", now)

    def take_back(self, pod: Pod, now: float) -> None:
        """Interrupt a running pod as a spot host does."""
        if pod.status is Status.RUNNING:
            self.stop(pod, "platform", "spot", now, SPOT_GRACE_S)

    def kill_container(self, pod: Pod, now: float) -> None:
        """End a running container from outside, as the kernel does when memory is out."""
        if pod.up_since is not None and not pod.fate.foreign:
            self._runner.kill(pod.id, 0.0, now)
            self._container_ended(pod, OOM_CODE, now)

    def reprice(self, pod: Pod, price: Decimal, now: float) -> None:
        """From now on the pod costs this."""
        pod.price = price
        self._charge(pod, now)

    def shrink(self, pod: Pod) -> None:
        """Leave a pod without GPUs."""
        pod.hardware = replace(pod.hardware, count=0)

    # Inside.

    def _materialise(self, pod: Pod, now: float) -> None:
        pod.exists = True
        pod.life.created_at = now
        pod.life.visible_at = now + pod.fate.list_lag_s
        self._move(pod, Status.PROVISIONING, now)
        self._plan(pod, now + self._settings.place_s)

    def _place(self, pod: Pod, now: float) -> None:
        if pod.fate.stuck:
            return
        self._move(pod, Status.STARTING, now)
        pod.log.add(now, "system", f"create container: still fetching image {pod.config.image}")
        self._plan(pod, now + self._settings.pull_s)

    def _pull(self, pod: Pod, now: float) -> None:
        if pod.fate.broken:
            pod.log.add(now, "system", "error creating container")
            self._move(pod, Status.ERROR, now)
            return
        failure = pod.fate.pull_fail
        if find_image(self._settings.images, pod.config.image) is None:
            failure = failure or self._settings.pull_failure
        if failure is None:
            self._move(pod, Status.RUNNING, now)
            self._start_container(pod, now)
            return
        pod.log.add(now, "system", f"create container: cannot fetch image {pod.config.image}: not found")
        if failure == "exited":
            pod.life.stopped.append((now, "platform", "pull"))
            self._move(pod, Status.EXITED, now)
        else:
            self._plan(pod, now + PULL_LINE_S)

    def _start_container(self, pod: Pod, now: float) -> None:
        pod.started_at = now
        pod.log.add(now, "system", "start container")
        if pod.fate.zombie:
            return
        tcp = [int(port.partition("/")[0]) for port in pod.config.ports if port.endswith("/tcp")]
        pod.ports = {private: self._rng.randrange(10_000, 60_000) for private in tcp}
        pod.up_since = now
        if pod.fate.foreign:
            return
        pod.life.starts.append(now)
        image = find_image(self._settings.images, pod.config.image)
        secrets = self._settings.accounts[pod.account].secrets
        if image is None:
            return
        try:
            self._runner.start(make_spec(pod, image, self._keys.for_pod(pod.account, pod.id), secrets), now)
        except PodBroken as error:
            self._drop(pod, now)
            pod.log.add(now, "system", f"error starting container: {error}")
            self._move(pod, Status.ERROR, now)

    def _container_ended(self, pod: Pod, code: int, now: float) -> None:
        pod.life.exits.append((now, code))
        self._runner.kill(pod.id, 0.0, now)
        self._drop(pod, now)
        self._plan(pod, now + self._settings.restart_s)

    def _drop(self, pod: Pod, now: float) -> None:
        """Its container is down, and nothing planned for it holds any more."""
        self.collect(pod, now)
        pod.up_since = None
        pod.epoch += 1

    def _move(self, pod: Pod, status: Status, now: float) -> None:
        pod.move(status, now)
        self._charge(pod, now)

    def _charge(self, pod: Pod, now: float) -> None:
        self._ledger.charge(pod.account, pod.id, pod.rates(self._settings.billed_from), now)

    def _plan(self, pod: Pod, at: float) -> None:
        pod.epoch += 1
        heapq.heappush(self._due, (at, pod.number, pod.epoch, pod.id))

    def _holds(self, entry: tuple[float, int, int, str]) -> bool:
        pod = self._pods.get(entry[3])
        return pod is not None and pod.epoch == entry[2]
