"""Providers by name. Each brings a settings model of its own; what is not built is not registered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel

from providers.aws.settings import AwsProviderSettings
from providers.fake.provider import build_fake
from providers.fake.settings import FakeSettings
from providers.interface import Provider, ProviderError, Refused
from providers.local.provider import build_local
from providers.local.settings import LocalSettings
from providers.runpod.provider import RunPodProviderSettings, build_runpod
from providers.seams import Outside

DEFAULT_KIND = "local"

S = TypeVar("S", bound=BaseModel)


class UnknownProvider(ProviderError):
    """There is no provider of this name; the message lists those there are."""


class _Registration(NamedTuple):
    settings: type[BaseModel]
    build: Callable[[Any, Outside], Provider]


class CloudProviderFactory:
    """Builds providers by name; knows ``local``, ``runpod``, ``aws`` and ``fake`` from the start."""

    def __init__(self) -> None:
        self._registered: dict[str, _Registration] = {}
        self.register("local", LocalSettings, lambda s, o: build_local(s, o.clock, o.entropy, o.runner))
        self.register("runpod", RunPodProviderSettings, build_runpod)
        self.register("aws", AwsProviderSettings, _build_aws)
        self.register("fake", FakeSettings, lambda s, o: build_fake(s, o.clock, o.entropy, o.runner))

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names that can be built, ordered."""
        return tuple(sorted(self._registered))

    def register(
        self,
        kind: str,
        settings: type[S],
        build: Callable[[S, Outside], Provider],
    ) -> None:
        """Add a provider. Raises ValueError when the name is taken."""
        if kind in self._registered:
            raise ValueError(f"provider {kind!r} is registered already")
        self._registered[kind] = _Registration(settings, build)

    def settings_of(self, kind: str) -> type[BaseModel]:
        """Return the settings model of a provider. Raises UnknownProvider."""
        return self._registration(kind).settings

    def build(
        self,
        kind: str,
        settings: BaseModel | Mapping[str, object],
        outside: Outside,
    ) -> Provider:
        """Open a provider. Raises UnknownProvider, pydantic's ValidationError, or Refused by the provider itself."""
        found = self._registration(kind)
        if isinstance(settings, BaseModel) and not isinstance(settings, found.settings):
            raise TypeError(f"provider {kind!r} takes {found.settings.__name__}, not {type(settings).__name__}")
        checked = settings if isinstance(settings, BaseModel) else found.settings.model_validate(settings)
        return found.build(checked, outside)

    def _registration(self, kind: str) -> _Registration:
        try:
            return self._registered[kind]
        except KeyError:
            raise UnknownProvider(f"unknown provider {kind[:40]!r}; known: {', '.join(self.kinds)}") from None


def _build_aws(settings: AwsProviderSettings, outside: Outside) -> Provider:
    with aws_library():
        from providers.aws.provider import build_aws
    return build_aws(settings, outside)


@contextmanager
def aws_library() -> Iterator[None]:
    """Say what is missing where an import of AWS's parts fails. Raises Refused.

    AWS's models come in a package of their own and take a moment to load: only who rents there has them.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "botocore":
            raise
        raise Refused("AWS needs the package botocore: run: pip install 'lastcall[aws]'") from error
