"""What a configuration needs around it: the emulator of the cloud it names, with what its placeholders stand for."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from string import Template
from typing import Any

from tests.emulators.aws import settings as aws_keys
from tests.emulators.runpod import settings as runpod_keys
from tests.support import aws_house, runpod_house
from tests.support.cloud_house import OWN_IMAGE
from tests.support.house import House


class ConfiguredHouse(House):
    """A daemon that knows what its ``config.toml`` says, and nothing else."""

    def __init__(self, root: Path, alive: Callable[[], list[dict[str, Any]]]) -> None:
        super().__init__(root)
        self.alive = alive
        """What exists and bills, by the cloud's own books."""

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {"QUICK_CLOUDS": "1", "REAL_TRAINING": "1"}


class Around:
    """One cloud that is up."""

    def __init__(self, values: Mapping[str, str], alive: Callable[[], list[dict[str, Any]]]) -> None:
        self.values = values
        """Placeholder of a configuration → what it stands for."""
        self.alive = alive


@contextmanager
def _here(root: Path) -> Iterator[Around]:
    yield Around({}, lambda: [])


@contextmanager
def _runpod(root: Path) -> Iterator[Around]:
    with runpod_house.a_runpod(root) as emulator:
        values = {
            "api_key": runpod_keys.MAIN_KEY,
            "volume": runpod_house.VOLUME,
            "storage_access_key": runpod_house.ACCESS,
            "storage_secret_key": runpod_house.SECRET,
            "mount": str(emulator.root / "workspace"),
            "image": OWN_IMAGE,
            **{name: str(url).rstrip("/") for name, url in emulator.urls.items()},
        }
        yield Around(values, lambda: list(emulator.control()["alive"]))


@contextmanager
def _aws(root: Path) -> Iterator[Around]:
    with aws_house.an_aws(root) as emulator:
        values = {
            "access_key_id": aws_keys.MAIN_KEY,
            "secret_access_key": aws_keys.MAIN_SECRET,
            "region": aws_house.REGION,
            "bucket": aws_house.BUCKET,
            "profile": aws_house.PROFILE,
            "image": OWN_IMAGE,
            **{name: str(url) for name, url in emulator.urls.items()},
        }
        yield Around(values, lambda: list(emulator.control()["alive"]))


_AROUND: Mapping[str, Callable[[Path], AbstractContextManager[Around]]] = {
    "local": _here,
    "runpod": _runpod,
    "aws": _aws,
}


@contextmanager
def a_configured_house(root: Path, config: Path, **environment: str) -> Iterator[ConfiguredHouse]:
    """A daemon with this configuration, in the world that it speaks of; all of it is ended afterwards."""
    text = config.read_text("utf-8")
    with _AROUND[tomllib.loads(text)["provider"]](root) as around:
        own = root / "config.toml"
        own.touch(0o600)
        own.write_text(Template(text).substitute(around.values), "utf-8")
        house = ConfiguredHouse(root, around.alive)
        house.start(environment)
        try:
            yield house
        finally:
            house.stop()
