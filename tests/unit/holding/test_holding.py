"""Which providers a daemon holds, and what it says when the keys of one with open jobs are gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest

from actors.runtime.virtual import SeededEntropy, VirtualClock
from actors.runtime.world import World
from lastcall import holding
from lastcall.config.settings import Settings
from lastcall.holding import Holding, OpenJob, check_accounts, kind_of, needed
from messages.errors import EXIT_CONFIG, Refusal, error
from messages.ids import JobId
from messages.machines import ProviderKind
from providers.fake.cloud import FakeCloud
from providers.fake.prediction import FakePrediction
from providers.fake.settings import FakeSettings
from providers.fake.storage import FakeStorage
from providers.fake.training import FakeTraining
from providers.interface import Provider, Refused, Unavailable
from tests.support.node import CannedSpawner
from tests.support.virtual import run_virtual

KEYS = {"api_key": "k", "network_volume_id": "v", "storage_access_key": "a", "storage_secret_key": "s"}


def job(number: int, provider: ProviderKind = "runpod", account: str = "runpod:v") -> OpenJob:
    return OpenJob(JobId.derived(f"job {number}"), f"churn-{number}", provider, account)


def settings(provider: str = "local", **runpod: str) -> Settings:
    return Settings.model_validate({"provider": provider, "runpod": runpod})


def refused(work: Callable[[], object]) -> str:
    with pytest.raises(Refusal) as caught:
        work()
    assert caught.value.code == "E-BOUND"
    assert error("E-BOUND").exit == EXIT_CONFIG
    assert "\n" not in str(caught.value)
    return caught.value.detail


def test_the_configured_provider_comes_first_and_every_one_with_open_jobs_after_it() -> None:
    assert needed(settings(), []) == ("local",)
    assert needed(settings(**KEYS), [job(1), job(2), job(3, "local")]) == ("local", "runpod")
    assert needed(settings("runpod", **KEYS), [job(1, "local")]) == ("runpod", "local")


def test_without_its_keys_the_refusal_names_the_jobs_and_what_is_missing() -> None:
    some = {name: value for name, value in KEYS.items() if name != "network_volume_id"}
    detail = refused(lambda: needed(settings(**some), [job(1), job(2)]))
    assert detail == (
        f"2 open jobs are bound to runpod: churn-1 ({job(1).id}), churn-2 ({job(2).id}); "
        "not set any more: runpod.network_volume_id (RUNPOD_NETWORK_VOLUME_ID)"
    )


def test_of_many_jobs_only_the_first_are_named() -> None:
    detail = refused(lambda: needed(settings(), [job(n) for n in range(9)]))
    assert "9 open jobs are bound to runpod: churn-0" in detail
    assert "churn-4" in detail
    assert "churn-5" not in detail
    assert "and 4 more" in detail


def test_a_provider_this_build_does_not_have_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding, "AVAILABLE_PROVIDERS", ("local",))
    detail = refused(lambda: needed(settings(**KEYS), [job(1)]))
    assert detail.endswith("runpod is not part of this build")


def test_keys_of_another_account_are_as_good_as_none() -> None:
    accounts: Mapping[ProviderKind, str] = {"local": "here:0", "runpod": "runpod:w"}
    detail = refused(lambda: check_accounts([job(1), job(2, account="runpod:w")], accounts))
    assert f"1 open job is bound to runpod: churn-1 ({job(1).id}) as runpod:v" in detail
    assert "runpod:w" in detail
    check_accounts([job(1, account="runpod:w")], accounts)


def test_a_provider_without_keys_is_taken_as_it_is() -> None:
    """A computer that answers by another name has no keys that anybody could give back."""
    check_accounts([job(1, "local", "here:1")], {"local": "here:0"})


def test_a_word_that_is_no_provider_is_refused() -> None:
    assert kind_of("aws") == "aws"
    with pytest.raises(Refusal) as caught:
        kind_of("azure")
    assert caught.value.code == "E-CONFIG"


# ------------------------------------------------------------------------------------------------ opening


class Rows:
    """A journal that knows these jobs."""

    def __init__(self, open_now: list[OpenJob], earlier: list[str]) -> None:
        self._open, self._earlier = open_now, earlier

    async def query(self, sql: str, _parameters: object = ()) -> list[tuple[Any, ...]]:
        return [(None,), *((kind,) for kind in self._earlier)] if "UNION" in sql else [tuple(one) for one in self._open]


class Clouds:
    """Opens a fake in place of each provider; ``silent`` ones do not answer, ``refusing`` ones refuse."""

    def __init__(self, clock: VirtualClock, *, silent: tuple[str, ...] = (), refusing: tuple[str, ...] = ()) -> None:
        self.silent, self.refusing = silent, refusing
        self.clock = clock
        self.opened: list[str] = []
        self.closed = 0

    async def open(self, kind: str, *_: object) -> Provider:
        if kind in self.silent:
            raise Unavailable("no answer")
        if kind in self.refusing:
            raise Refused("401")
        self.opened.append(kind)
        cloud = FakeCloud(FakeSettings(account=f"{kind}:v", rate_usd_per_hour=Decimal(1)), self.clock)
        return Provider(FakeTraining(cloud), FakeStorage(cloud), FakePrediction(cloud))

    async def close(self, _provider: Provider) -> None:
        self.closed += 1


def opened(
    monkeypatch: pytest.MonkeyPatch, journal: Rows, told: Settings, **clouds: tuple[str, ...]
) -> tuple[list[str], Clouds, list[str]]:
    """Open what a daemon with this journal holds; return it, the clouds, and what was logged."""
    logged: list[str] = []

    async def story() -> tuple[list[str], Clouds]:
        clock = VirtualClock()
        outside = Clouds(clock, **clouds)
        monkeypatch.setattr(holding, "open_provider", outside.open)
        monkeypatch.setattr(holding, "close_provider", outside.close)
        world = World(clock, SeededEntropy(0), CannedSpawner(), "run")
        held = Holding(told, Path("/nowhere"), world, cast(Any, None), asyncio.Event(), lambda e, **_: logged.append(e))
        try:
            await held.open(cast(Any, journal))
            return list(held.held), outside
        finally:
            await held.close()
            if outside.closed != len(outside.opened):
                raise AssertionError("a provider was left open")

    found, outside = run_virtual(story)
    return found, outside, logged


def test_an_earlier_provider_is_held_as_long_as_its_keys_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Rows([], ["local", "runpod"])
    assert opened(monkeypatch, journal, settings(**KEYS))[0] == ["local", "runpod"]
    assert opened(monkeypatch, journal, settings())[0] == ["local"]
    assert opened(monkeypatch, Rows([], []), settings(**KEYS))[0] == ["local"]


@pytest.mark.parametrize("how", ["silent", "refusing"])
def test_an_earlier_provider_that_does_not_answer_keeps_no_daemon_from_its_start(
    monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    journal = Rows([], ["runpod"])
    found, _, logged = opened(monkeypatch, journal, settings(**KEYS), **{how: ("runpod",)})
    assert found == ["local"]
    assert logged == ["earlier_provider_left_out"]


def test_a_provider_with_open_jobs_that_refuses_its_keys_is_named_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Refusal) as caught:
        opened(monkeypatch, Rows([job(1)], ["runpod"]), settings(**KEYS), refusing=("runpod",))
    assert caught.value.code == "E-BOUND"
    assert "churn-1" in caught.value.detail
    assert caught.value.detail.endswith("it refuses what is set: 401")


def test_the_configured_provider_that_refuses_is_an_error_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Refused):
        opened(monkeypatch, Rows([job(1)], ["runpod"]), settings("runpod", **KEYS), refusing=("runpod",))
