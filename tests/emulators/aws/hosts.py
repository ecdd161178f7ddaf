"""The machines themselves: launching, booting, ending, being forgotten, each at its own time, and billed."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

from tests.emulators.aws.billing import ADDRESS_HOUR, Book, Kind, volume_rate
from tests.emulators.aws.runner import InstanceRunner, InstanceSpec
from tests.emulators.aws.settings import Settings
from tests.emulators.aws.state import OVER, Fate, Instance, Life, Order, SpotRequest, State, Volume, Who
from tests.emulators.common.switches import SwitchBox

CONSOLE_LINES_MAX = 2000
CONSOLE_CHARS_MAX = 4000
LOOK = "machine"
"""The call name of faults that strike a machine rather than a call."""
REFILL_S = 30.0


class Hosts:
    """All instances, volumes and spot requests of all accounts."""

    def __init__(self, settings: Settings, runner: InstanceRunner, faults: SwitchBox, rng: random.Random) -> None:
        self._settings = settings
        self._runner = runner
        self._faults = faults
        self._rng = rng
        self.book = Book()
        self.lives: dict[str, Life] = {}
        self.volumes: dict[str, Volume] = {}
        self.made_for: dict[str, str] = {}
        """Volume that there ever was → the instance it was made for."""
        self.requests: dict[str, SpotRequest] = {}
        self._instances: dict[str, Instance] = {}
        self._due: list[tuple[float, int, str, int, str]] = []
        self._count = 0
        self._number = 0

    # Reading.

    def instances(self, account: str | None = None, region: str | None = None) -> Iterator[Instance]:
        """Yield instances in the order of launch, forgotten ones not among them."""
        return (
            one
            for one in self._instances.values()
            if (account is None or one.account == account) and (region is None or one.region == region)
        )

    def get(self, instance_id: str) -> Instance | None:
        """Return an instance that is not forgotten."""
        return self._instances.get(instance_id)

    def volumes_of(self, instance_id: str) -> list[Volume]:
        """Return the volumes attached to an instance."""
        return [one for one in self.volumes.values() if one.instance_id == instance_id]

    def next_due(self) -> float | None:
        """Return when something happens next."""
        return self._due[0][0] if self._due else None

    def new_id(self, prefix: str) -> str:
        """Return a new id in EC2's form."""
        return f"{prefix}-0{self._rng.getrandbits(64):016x}"

    # Doing.

    def launch(self, account: str, region: str, order: Order, fate: Fate, now: float) -> Instance:
        """Launch one instance."""
        self._number += 1
        instance_id = self.new_id("i")
        visible = now + fate.late_s + fate.lag_s
        life = Life(
            instance_id,
            order.name,
            account,
            order.token,
            order.type.name,
            order.zone,
            order.spot_max is not None,
            now,
            visible,
            foreign=fate.foreign,
        )
        tags = dict(order.tags.get("instance", {}))
        instance = Instance(
            instance_id, self._number, account, region, order, life, fate, self.new_id("r"), now, tags=tags
        )
        instance.put(State.PENDING, now)
        if order.spot_max is not None:
            instance.spot = self._request(instance, now)
        for device, size_gb, on_termination, encrypted in order.disks:
            self._attach(instance, device, size_gb, on_termination, encrypted, now)
        self._instances[instance_id] = instance
        self.lives[instance_id] = life
        if fate.fails:
            self._at(now + fate.late_s + self._settings.pending_s, instance, "fail")
        elif not fate.stuck:
            self._at(now + fate.late_s + self._settings.pending_s, instance, "run")
        return instance

    def terminate(self, instance: Instance, who: Who, reason: str, now: float) -> None:
        """Begin to end an instance. Idempotent."""
        if instance.state in OVER:
            return
        self._leave(instance, State.SHUTTING_DOWN, who, reason, now)
        instance.life.ended_at = now
        stuck = self._faults.hit("end.stuck", LOOK, now, instance.name)
        if stuck is not True:
            self._at(now + self._settings.shutting_down_s + float(stuck or 0), instance, "gone")

    def stop(self, instance: Instance, who: Who, reason: str, now: float) -> None:
        """Begin to stop an instance; its volumes stay and cost. Idempotent."""
        if instance.state in (State.PENDING, State.RUNNING):
            self._leave(instance, State.STOPPING, who, reason, now)
            self._at(now + self._settings.stopping_s, instance, "stopped")

    def start(self, instance: Instance, now: float) -> None:
        """Start a stopped instance."""
        instance.epoch += 1
        instance.reason, instance.transition = None, ""
        instance.launched_at = now
        instance.put(State.PENDING, now)
        self._at(now + self._settings.pending_s, instance, "run")

    def reboot(self, instance: Instance, now: float) -> None:
        """Boot a running instance again; it bills on, and its disk stays."""
        if instance.state is State.RUNNING:
            self._off(instance, now)
            instance.epoch += 1
            self._at(now + self._settings.reboot_s, instance, "boot")
            if instance.notice_at is not None:
                self._at(instance.notice_at, instance, "interrupt")

    def warn(self, instance: Instance, now: float, notice: bool) -> None:
        """Take a spot instance back, with or without the two minutes."""
        if instance.spot is None or instance.state is not State.RUNNING or instance.notice_at is not None:
            return
        if not notice:
            self._interrupt(instance, now)
            return
        instance.notice_at = now + self._settings.notice_s
        instance.spot.put("active", "marked-for-termination", "Your Spot Instance is marked for termination.", now)
        self._at(instance.notice_at, instance, "interrupt")

    def delete_volume(self, volume: Volume, now: float) -> None:
        """Delete a volume."""
        self.book.end(volume.id, now)
        self.volumes.pop(volume.id, None)

    def look(self, instance_id: str, now: float) -> None:
        """See whether a machine has ended its own power."""
        instance = self._instances.get(instance_id)
        if instance is None or not instance.on or instance.state is not State.RUNNING:
            return
        power = self._runner.poll(instance_id, now)
        if power == "reboot":
            self.reboot(instance, now)
        elif power == "poweroff":
            reason = "Client.InstanceInitiatedShutdown"
            if instance.order.terminates or instance.spot is not None:
                self.terminate(instance, "instance", reason, now)
            else:
                self.stop(instance, "instance", reason, now)

    def die(self, instance: Instance, now: float) -> None:
        """The host breaks: the instance ends."""
        if instance.state is State.RUNNING:
            self.terminate(instance, "platform", "Server.InternalError", now)

    def collect(self, instance: Instance, now: float) -> None:
        """Take what the console printed."""
        for _, line in self._runner.lines(instance.id):
            instance.console.append(line[:CONSOLE_CHARS_MAX])
        del instance.console[:-CONSOLE_LINES_MAX]

    def step(self, now: float) -> None:
        """Do everything that is due."""
        while self._due and self._due[0][0] <= now:
            at, _, instance_id, epoch, what = heapq.heappop(self._due)
            instance = self._instances.get(instance_id)
            if instance is not None and instance.epoch == epoch:
                getattr(self, f"_{what}")(instance, at)

    # What happens by itself.

    def _at(self, when: float, instance: Instance, what: str) -> None:
        self._count += 1
        heapq.heappush(self._due, (when, self._count, instance.id, instance.epoch, what))

    def _run(self, instance: Instance, now: float) -> None:
        order = instance.order
        instance.put(State.RUNNING, now)
        instance.life.ran_at = instance.life.ran_at or now
        kind = Kind.SPOT if instance.spot else Kind.ON_DEMAND
        self.book.begin(instance.account, instance.id, kind, order.price, now, instance.tags)
        if order.public:
            self.book.begin(instance.account, instance.id, Kind.ADDRESS, ADDRESS_HOUR, now)
        self._at(now + self._settings.boot_s, instance, "boot")

    def _boot(self, instance: Instance, now: float) -> None:
        if instance.fate.no_boot or instance.fate.foreign:
            return
        order = instance.order
        instance.boots += 1
        instance.on = True
        instance.life.boots.append(now)
        self._runner.start(
            InstanceSpec(
                instance.id,
                order.name,
                instance.account,
                instance.region,
                order.zone,
                order.type.name,
                order.image_id,
                order.user_data,
                instance.boots,
                dict(instance.tags),
                order.role,
                instance.spot is not None,
            ),
            now,
        )

    def _fail(self, instance: Instance, now: float) -> None:
        self._leave(instance, State.SHUTTING_DOWN, "platform", str(instance.fate.fails), now)
        instance.life.ended_at = now
        self._gone(instance, now)

    def _gone(self, instance: Instance, now: float) -> None:
        instance.put(State.TERMINATED, now)
        instance.life.gone_at = now
        if instance.on or instance.boots:
            self._runner.kill(instance.id, 0.0, now)
            self.collect(instance, now)
            self._runner.forget(instance.id, now)
            instance.on = False
        left = self._faults.hit("volume.left", LOOK, now, instance.name)
        for volume in self.volumes_of(instance.id):
            volume.instance_id = None
            if volume.on_termination and not left:
                self.delete_volume(volume, now)
        self._at(now + self._settings.forget_s, instance, "forget")

    def _stopped(self, instance: Instance, now: float) -> None:
        self._runner.kill(instance.id, 0.0, now)
        self.collect(instance, now)
        instance.put(State.STOPPED, now)

    def _forget(self, instance: Instance, now: float) -> None:
        self._instances.pop(instance.id)

    def _interrupt(self, instance: Instance, now: float) -> None:
        if instance.state is State.RUNNING:
            self.terminate(instance, "platform", "Server.SpotInstanceTermination", now)

    def _refill(self, instance: Instance, now: float) -> None:
        request = instance.spot
        if request is not None and request.state != "cancelled":
            again = self.launch(instance.account, instance.region, instance.order, Fate(), now)
            if again.spot is not None:
                self.requests.pop(again.spot.id)
            again.spot = request
            request.instance_id = again.id
            request.put("active", "fulfilled", "Your Spot request is fulfilled.", now)

    def _leave(self, instance: Instance, state: State, who: Who, reason: str, now: float) -> None:
        """End billing, and the machine's power."""
        instance.epoch += 1
        self.book.end(instance.id, now)
        instance.put(state, now)
        instance.reason = reason
        instance.life.ended_by, instance.life.reason = who, reason
        when = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%S GMT")
        instance.transition = f"User initiated ({when})" if who != "platform" else f"{reason} ({when})"
        self._off(instance, now)
        if instance.spot is not None:
            self._close(instance, instance.spot, reason, now)

    def _off(self, instance: Instance, now: float) -> None:
        if instance.on:
            instance.on = False
            self._runner.kill(instance.id, self._settings.grace_s, now)

    def _close(self, instance: Instance, request: SpotRequest, reason: str, now: float) -> None:
        race = self._faults.hit("spot.race", LOOK, now, instance.name)
        if race is not None or request.persistent:
            request.put("open", "pending-evaluation", "Your Spot request has been submitted for review.", now)
            self._at(now + (REFILL_S if race is None else race), instance, "refill")
        elif self._faults.hit("spot.left_open", LOOK, now, instance.name):
            request.put("open", "pending-evaluation", "Your Spot request has been submitted for review.", now)
        elif request.state != "cancelled":
            taken = reason == "Server.SpotInstanceTermination"
            code = "instance-terminated-no-capacity" if taken else "instance-terminated-by-user"
            request.put("closed", code, "Your Spot Instance was terminated.", now)

    def _request(self, instance: Instance, now: float) -> SpotRequest:
        request = SpotRequest(
            f"sir-{self._rng.getrandbits(40):08x}"[:12],
            instance.account,
            instance.region,
            instance.order.spot_max or Decimal(0),
            instance.order.persistent,
            now,
            instance.id,
            updated_at=now,
            tags=dict(instance.order.tags.get("spot-instances-request", {})),
        )
        self.requests[request.id] = request
        return request

    def _attach(
        self, instance: Instance, device: str, size_gb: int, on_termination: bool, encrypted: bool, now: float
    ) -> None:
        volume = Volume(
            self.new_id("vol"),
            instance.account,
            instance.region,
            instance.order.zone,
            size_gb,
            device,
            now,
            encrypted,
            on_termination,
            instance.id,
            dict(instance.order.tags.get("volume", {})),
        )
        self.volumes[volume.id] = volume
        self.made_for[volume.id] = instance.id
        self.book.begin(volume.account, volume.id, Kind.VOLUME, volume_rate(size_gb), now, volume.tags)
