"""Providers by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from providers.factory import DEFAULT_KIND, CloudProviderFactory, UnknownProvider
from providers.fake.provider import build_fake
from providers.fake.settings import FakeSettings
from providers.local.settings import LocalSettings
from tests.support.providers.clocks import ManualClock
from tests.support.providers.subjects import close_provider, no_programs, os_entropy


def test_local_is_the_default_and_only_what_exists_is_known() -> None:
    factory = CloudProviderFactory()
    assert DEFAULT_KIND == "local"
    assert factory.kinds == ("fake", "local")
    assert factory.settings_of("local") is LocalSettings


@pytest.mark.parametrize("name", ["aws", "runpod", "", "Local"])
def test_an_unknown_name_lists_the_known_ones(name: str) -> None:
    with pytest.raises(UnknownProvider, match="known: fake, local"):
        CloudProviderFactory().build(name, {}, ManualClock(), os_entropy, no_programs)


async def test_each_provider_is_built_from_settings_of_its_own(tmp_path: Path) -> None:
    factory = CloudProviderFactory()
    settings = {"root": tmp_path / "root", "wrapper": tmp_path / "wrapper.pyz"}
    local = factory.build("local", settings, ManualClock(), os_entropy, no_programs)
    fake = factory.build("fake", FakeSettings(), ManualClock(), os_entropy, no_programs)
    assert {part.kind for part in local[:3]} == {"local"}
    assert {part.kind for part in fake[:3]} == {"fake"}
    await close_provider(local)
    await close_provider(fake)


def test_settings_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    factory = CloudProviderFactory()
    with pytest.raises(ValidationError):
        factory.build("local", {"root": tmp_path}, ManualClock(), os_entropy, no_programs)
    with pytest.raises(TypeError, match="LocalSettings"):
        factory.build("local", FakeSettings(), ManualClock(), os_entropy, no_programs)


def test_a_name_is_registered_once() -> None:
    factory = CloudProviderFactory()
    with pytest.raises(ValueError, match="already"):
        factory.register("fake", FakeSettings, build_fake)
    factory.register("another", FakeSettings, build_fake)
    assert "another" in factory.kinds
