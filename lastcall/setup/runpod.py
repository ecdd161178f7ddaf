"""``lastcall setup runpod``: key and rights, money, volume, storage keys, the trial of self-ending, configuration.

Every step looks first and changes only what is missing, so a second run changes nothing. A dry run calls nothing that
could change anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final, NamedTuple

from actors.journal import install as installs
from actors.journal.interface import JournalRefused
from lastcall.config.settings import Settings
from lastcall.owed import Owed, OwedNotes
from lastcall.renting import runpod_settings
from lastcall.setup import rights
from lastcall.setup.config_writer import Changes, apply_to
from lastcall.setup.ending import StillRuns
from lastcall.setup.ground import Ground
from lastcall.setup.keys import Keys
from lastcall.setup.steps import Person, Report, Step
from lastcall.setup.storage import check_storage
from lastcall.setup.trial import COST_MAX_USD, HARD_S, Price, Trial, TrialFailed, Verdict, cheapest
from lastcall.setup.volumes import VolumeWish, find_volume
from messages.money import ceil_micro
from providers.interface import ProviderError
from providers.runpod import resources
from providers.runpod.client import Client
from providers.runpod.codec import Volume
from providers.runpod.provider import build_runpod_storage, build_runpod_training
from providers.runpod.settings import RunPodSettings

PROVEN_KEY: Final = "runpod.self_ending_proven_for"
NO_VOLUME: Final = "none"
"""Stands for the volume while there is none to name."""
PROVE_AGAIN: Final = "run lastcall setup runpod again"
SHARED: Final = "this volume holds jobs already, and this configuration did not know it"
SHARING: Final = (
    "If another Lastcall uses it, both work, but a user with the same id in both sees and changes what is the other's."
)
STILL_RUNS: Final = f"lastcall reap ends it too, from {HARD_S // 60} min after its start"


class Wishes(NamedTuple):
    """What was asked for."""

    volume: VolumeWish = VolumeWish()
    dry_run: bool = False
    again: bool = False
    """Try self-ending although it was proven before."""
    store_keys: bool | None = None
    """Whether keys go into the file; ``None``: ask."""


class RunPodSetup:
    """One run of the setup."""

    def __init__(self, ground: Ground, wishes: Wishes, person: Person) -> None:
        self._ground = ground
        self._wishes = wishes
        self._person = person
        self._report = Report(person, wishes.dry_run)
        self._keys = Keys(ground.settings.runpod, ground.origins, ground.config, person)
        self._proven: str | None = ground.settings.runpod.self_ending_proven_for
        self._saved = False
        self._trial: Trial | None = None

    @property
    def left(self) -> list[str]:
        """What may run or be there and cost money, and what to do about it, a line each; asked once it was cut off."""
        found = list(self._report.unsure.values())
        pod = self._trial.left if self._trial is not None else None
        return [*found, pod] if pod is not None else found

    async def run(self) -> Report:
        """Do every step; what one needs and does not get ends the run. Raises ConfigError for the file."""
        tell, report = self._report.tell, self._report
        if not self._keys.ask_api_key():
            tell(Step("key", "failed", "there is no API key", "make one in RunPod's console, Settings, API keys"))
            return report
        client = self._client(NO_VOLUME)
        if not await self._check_key(client):
            return report
        await self._look_at_money(client)
        volume = await find_volume(client, self._wish(), report, self._person)
        if volume is None:
            self._plan_the_rest()
            return report
        found = self._settings_with(volume)
        if not await self._check_storage(found):
            return report
        found = self._settings_with(volume)  # with the keys that were typed meanwhile
        if not await self._may_share(found, volume):
            return report
        self._save(volume)
        await self._try_self_ending(found)
        self._tell_configuration(volume)
        return report

    # ------------------------------------------------------------------------------------------- key and money

    async def _check_key(self, client: Client) -> bool:
        try:
            findings = await rights.find_rights(client, trying_writes=not self._wishes.dry_run)
        except rights.KeyInvalid as error:
            self._report.tell(Step("key", "failed", str(error), "make a new one in RunPod's console, Settings"))
            return False
        except ProviderError as error:
            self._report.tell(Step("key", "failed", str(error), "try again when RunPod answers"))
            return False
        self._report.tell(Step("key", "done", "RunPod knows it"))
        missing = [one.right for one in findings if one.has is False]
        untried = [one.right.name for one in findings if one.has is None]
        for right in missing:
            detail = f"the key may not {right.name}: {right.without}"
            advice = "give the key read and write access in RunPod's console" if right.needed else ""
            self._report.tell(Step("rights", "failed" if right.needed else "skipped", detail, advice))
        if not missing:
            tail = f"; not tried: {', '.join(untried)}" if untried else ""
            self._report.tell(Step("rights", "done", f"the key may do what is needed{tail}"))
        return not any(right.needed for right in missing)

    async def _look_at_money(self, client: Client) -> None:
        try:
            found = await resources.balance(client)
        except ProviderError:
            detail = "the balance is not known: RunPod's GraphQL does not say it to this key; everything works without"
            self._report.tell(Step("money", "skipped", detail))
            return
        if found.left_usd is None:
            self._report.tell(Step("money", "skipped", "RunPod does not say the balance"))
        elif found.left_usd <= 0:
            detail = f"the balance is ${found.left_usd:.2f}: RunPod starts nothing"
            self._report.tell(Step("money", "failed", detail, "add credit in RunPod's console, Billing"))
        else:
            self._report.tell(Step("money", "done", f"${found.left_usd:.2f} left"))

    # ------------------------------------------------------------------------------------------- volume and storage

    def _wish(self) -> VolumeWish:
        wish, told = self._wishes.volume, self._ground.settings.runpod
        known = wish.id or told.network_volume_id
        return wish._replace(id=known, default_gpu=told.default_gpu_type)

    async def _check_storage(self, settings: RunPodSettings) -> bool:
        if not self._keys.ask_storage_keys(settings, self._report, dry_run=self._wishes.dry_run):
            return self._wishes.dry_run
        filled = settings.model_copy(
            update={"s3_access_key": self._keys.access_key, "s3_secret_key": self._keys.secret_key}
        )
        storage = build_runpod_storage(filled, self._ground.clock, self._ground.transport)
        return await check_storage(storage, self._report, writing=not self._wishes.dry_run)

    async def _may_share(self, settings: RunPodSettings, volume: Volume) -> bool:
        """Ask before a volume is used that holds jobs of who knows whom; one in the configuration is ours."""
        known = self._ground.settings.runpod.network_volume_id == volume.id
        if known or settings.s3_access_key is None or settings.s3_secret_key is None:
            return True
        storage = build_runpod_storage(settings, self._ground.clock, self._ground.transport)
        try:
            users = await storage.folders(f"{self._ground.settings.storage.jobs}/")
        except ProviderError:
            return True  # it was read and written just now; who shares it is not known
        if not users:
            return True
        if self._wishes.dry_run:
            self._report.tell(Step("sharing", "planned", f"{SHARED}; would ask whether to use it too"))
            return True
        if self._person.agrees(f"{SHARED}. {SHARING} Use it all the same?"):
            self._report.tell(Step("sharing", "done", f"{SHARED}; it is used all the same"))
            return True
        self._report.tell(Step("sharing", "failed", SHARED, "choose another volume: --volume ID, or --data-center DC"))
        return False

    def _plan_the_rest(self) -> None:
        """Say what a dry run without a volume cannot look at."""
        if self._report.steps[-1].state == "planned":
            self._report.tell(Step("storage", "planned", "would write, read and delete a file on it"))
            detail = f"would rent the cheapest pod, which has to end itself, ${COST_MAX_USD} at most"
            self._report.tell(Step("self-ending", "planned", detail))
            self._report.tell(Step("configuration", "planned", f"would write {self._ground.config}"))

    # ------------------------------------------------------------------------------------------- self-ending

    async def _try_self_ending(self, settings: RunPodSettings) -> None:
        tell = self._report.tell
        if self._proven == settings.fingerprint and not self._wishes.again:
            tell(Step("self-ending", "unchanged", "proven for this account before"))
            return
        training = build_runpod_training(
            settings.model_copy(update={"container_disk_gb": 5}), self._ground.clock, self._ground.transport
        )
        try:
            prices = await cheapest(training)
            if self._agreed(prices):
                ground, waits = self._ground, self._person.waits
                storage = build_runpod_storage(settings, ground.clock, ground.transport)
                self._trial = Trial(training, storage, self._install(), ground.clock, ground.entropy, waits)
                self._person.waits(f"trying whether a pod ends itself, {prices[0].watch_s / 60:.0f} min at most")
                self._judge(await self._booked(self._trial, prices), settings.fingerprint)
        except (TrialFailed, JournalRefused, ProviderError, OSError) as error:
            tell(Step("self-ending", "failed", f"not tried to the end: {error}", PROVE_AGAIN))
        except StillRuns as error:
            tell(Step("self-ending", "failed", str(error), STILL_RUNS))
        finally:
            await training.close()

    async def _booked(self, trial: Trial, prices: list[Price]) -> Verdict:
        """Run the trial with a note of what it costs, for the daemon's books: at most, then as it was."""
        notes, name = OwedNotes(self._ground.state_dir), f"trial-{self._ground.entropy.bytes(8).hex()}"
        most_usd = max(price.most_usd for price in prices)

        def owed(amount_usd: Decimal) -> Owed:
            what = "setup: the trial of self-ending"
            return Owed(provider="runpod", what=what, amount_usd=amount_usd, at=self._ground.clock.now())

        notes.leave(name, owed(most_usd))
        try:
            return await trial.run(prices)
        finally:
            if trial.left is None:
                spent_usd = ceil_micro(trial.spent_usd)
                notes.leave(name, owed(spent_usd)) if spent_usd else notes.drop(name)

    def _agreed(self, prices: list[Price]) -> bool:
        tell = self._report.tell
        if not prices:
            tell(Step("self-ending", "skipped", "no machine is cheap enough and in stock to try it", PROVE_AGAIN))
            return False
        first = prices[0]
        words = f"{first.offer.machine_type} in {first.offer.place}, ${first.most_usd} at most"
        if self._wishes.dry_run:
            tell(Step("self-ending", "planned", f"would rent a pod that has to end itself: {words}"))
            return False
        if not self._person.agrees(f"Rent a pod that has to end itself, to see that it does ({words})?"):
            detail = "not tried: plans will say that machines are bounded only while Lastcall runs"
            tell(Step("self-ending", "skipped", detail, PROVE_AGAIN))
            return False
        return True

    def _install(self) -> installs.Install:
        ground = self._ground
        ground.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return installs.load_or_create(
            ground.state_dir, journal_exists=True, entropy=ground.entropy.bytes, now=ground.clock.now()
        )

    def _judge(self, verdict: Verdict, fingerprint: str) -> None:
        self._report.measured = verdict.measured
        tell = self._report.tell
        if not verdict.ends_itself:
            self._proven = None
            calls = f" ({', '.join(verdict.calls)})" if verdict.calls else ""
            detail = (
                f"a pod of this account cannot end itself{calls}; it was ended from here and is proven gone. "
                "Machines are bounded only while Lastcall runs"
            )
            advice = "keep Lastcall running, or run lastcall reap as a timer on another computer"
            tell(Step("self-ending", "failed", detail, advice))
            return
        self._proven = fingerprint
        volume = "exclusive create and link hold" if verdict.exclusive else "EXCLUSIVE CREATE OR LINK DO NOT HOLD"
        restart = (
            "its restart showed in its uptime" if verdict.uptime_fell else "its restart did not show in its uptime"
        )
        advice = "" if verdict.exclusive else "do not let jobs share this volume; make another one"
        detail = f"the pod ended itself, proven; {volume} on the volume; {restart}"
        tell(Step("self-ending", "done" if verdict.exclusive else "failed", detail, advice))

    # ------------------------------------------------------------------------------------------- configuration

    def _changes(self, volume: Volume) -> Changes:
        changes: dict[str, str | None] = {"runpod.network_volume_id": volume.id, PROVEN_KEY: self._proven}
        if volume.place is not None:
            changes["runpod.data_center"] = volume.place
        return {**changes, **self._keys.to_store}

    def _save(self, volume: Volume) -> None:
        """Keep what is known before money is spent: an interrupted run begins where it ended."""
        if not self._wishes.dry_run:
            self._keys.choose(self._wishes.store_keys)
            self._saved = apply_to(self._ground.config, self._changes(volume)) or self._saved

    def _tell_configuration(self, volume: Volume) -> None:
        file = self._ground.config
        if self._wishes.dry_run:
            self._report.tell(Step("configuration", "planned", f"would write volume and verdict to {file}"))
            return
        self._saved = apply_to(file, self._changes(volume)) or self._saved
        detail = f"written to {file}" if self._saved else f"nothing to change in {file}"
        self._report.tell(
            Step("configuration", "done" if self._saved else "unchanged", detail, self._keys.still_to_set())
        )

    # ------------------------------------------------------------------------------------------- settings

    def _client(self, volume_id: str) -> Client:
        told = self._told({"network_volume_id": volume_id})
        return Client(self._ground.transport, self._ground.clock, runpod_settings(told))

    def _settings_with(self, volume: Volume) -> RunPodSettings:
        return runpod_settings(self._told({"network_volume_id": volume.id, "data_center": volume.place}))

    def _told(self, more: Mapping[str, object]) -> Settings:
        section = self._ground.settings.runpod.model_copy(
            update={
                "api_key": self._keys.api_key,
                "storage_access_key": self._keys.access_key,
                "storage_secret_key": self._keys.secret_key,
                **more,
            }
        )
        return self._ground.settings.model_copy(update={"runpod": section})
