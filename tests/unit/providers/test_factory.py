"""Providers by name."""

from __future__ import annotations

import subprocess
import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from pydantic import ValidationError

from providers.factory import DEFAULT_KIND, CloudProviderFactory, UnknownProvider
from providers.fake.provider import build_fake
from providers.fake.settings import FakeSettings
from providers.interface import Provider, Refused
from providers.local.settings import LocalSettings
from providers.seams import Outside
from providers.transport import HttpReply, HttpRequest, HttpStream, NotSent
from tests.support.providers.clocks import ManualClock
from tests.support.providers.subjects import close_provider, no_programs, os_entropy


class NoTransport:
    """Nothing here may speak to anybody."""

    async def request(self, request: HttpRequest) -> HttpReply:
        raise NotSent(request.url)

    def stream(self, request: HttpRequest) -> AbstractAsyncContextManager[HttpStream]:
        raise NotSent(request.url)

    async def close(self) -> None:
        return None


def outside() -> Outside:
    return Outside(ManualClock(), os_entropy, no_programs, NoTransport())


def fake(settings: FakeSettings, world: Outside) -> Provider:
    return build_fake(settings, world.clock, world.entropy, world.runner)


def test_local_is_the_default_and_only_what_exists_is_known() -> None:
    factory = CloudProviderFactory()
    assert DEFAULT_KIND == "local"
    assert factory.kinds == ("aws", "fake", "local", "runpod")
    assert factory.settings_of("local") is LocalSettings


@pytest.mark.parametrize("name", ["gcp", "", "Local"])
def test_an_unknown_name_lists_the_known_ones(name: str) -> None:
    with pytest.raises(UnknownProvider, match="known: aws, fake, local, runpod"):
        CloudProviderFactory().build(name, {}, outside())


async def test_each_provider_is_built_from_settings_of_its_own(tmp_path: Path) -> None:
    factory = CloudProviderFactory()
    settings = {"root": tmp_path / "root", "wrapper": tmp_path / "wrapper.pyz"}
    local = factory.build("local", settings, outside())
    pretended = factory.build("fake", FakeSettings(), outside())
    assert {part.kind for part in local[:3]} == {"local"}
    keys = {"api_key": "k", "volume_id": "v", "s3_access_key": "a", "s3_secret_key": "s", "near": tmp_path / "near"}
    rented = factory.build("runpod", {**keys, "data_center": "EU-RO-1"}, outside())
    assert {part.kind for part in pretended[:3]} == {"fake"}
    assert {part.kind for part in rented[:3]} == {"runpod"}
    assert rented.near.disk is not rented.storage
    assert local.near.disk is local.storage
    with pytest.raises(Refused, match="data centre"):
        factory.build("runpod", keys, outside())
    with pytest.raises(Refused, match="storage_access_key"):
        factory.build("runpod", {**keys, "data_center": "EU-RO-1", "s3_access_key": None}, outside())
    await close_provider(rented)
    await close_provider(local)
    await close_provider(pretended)


def test_settings_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    factory = CloudProviderFactory()
    with pytest.raises(ValidationError):
        factory.build("local", {"root": tmp_path}, outside())
    with pytest.raises(TypeError, match="LocalSettings"):
        factory.build("local", FakeSettings(), outside())


def test_a_name_is_registered_once() -> None:
    factory = CloudProviderFactory()
    with pytest.raises(ValueError, match="already"):
        factory.register("fake", FakeSettings, fake)
    factory.register("another", FakeSettings, fake)
    assert "another" in factory.kinds


def test_naming_aws_loads_nothing_of_its_library_and_opening_it_without_says_what_installs_it(tmp_path: Path) -> None:
    """In a process of its own: here others have loaded it."""
    program = (
        "import sys\n"
        "from providers.factory import CloudProviderFactory\n"
        "from providers.interface import Refused\n"
        "factory = CloudProviderFactory()\n"
        "factory.settings_of('aws')\n"
        "loaded = [m for m in sys.modules if m.startswith('botocore')]\n"
        "sys.modules['botocore'] = None\n"
        "try:\n"
        "    factory.build('aws', {'region': 'eu-west-1', 'bucket': 'abc', 'near': sys.argv[1]}, None)\n"
        "except Refused as error:\n"
        "    print(loaded, error)\n"
    )
    argv = [sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[] AWS needs the package botocore: run: pip install 'lastcall[aws]'\n"
