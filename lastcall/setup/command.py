"""Runs a setup for the command line: configuration in, the real world around it, a report out."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from actors.runtime.clock import SteadyClock, SystemClock, SystemEntropy
from lastcall import __version__, paths
from lastcall.config.files import CONFIG_VARIABLE, absolute, read_toml, user_file
from lastcall.config.load import load
from lastcall.config.problems import ConfigError
from lastcall.setup.ground import Ground
from lastcall.setup.runpod import RunPodSetup, Wishes
from lastcall.setup.steps import Interrupted, Person, Report, Step
from messages.errors import Refusal
from providers.factory import aws_library
from providers.http import AiohttpTransport
from providers.interface import Refused

if TYPE_CHECKING:
    from lastcall.setup.aws import AwsWishes

PROVIDER_KEY = "provider"
WRITTEN: Mapping[str, Sequence[str]] = {
    "runpod": ("network_volume_id", "data_center", "self_ending_proven_for"),
    "aws": ("region", "bucket", "security_group"),
}
"""What a setup writes into its provider's section, beside keys."""
TITLES: Mapping[str, str] = {"runpod": "RunPod", "aws": "AWS"}


class Setup(Protocol):
    """One run of a provider's setup."""

    @property
    def left(self) -> list[str]:
        """What may run or be there and cost money, a line each; asked once it was cut off."""
        ...

    async def run(self) -> Report:
        """Do every step."""
        ...


class Place(NamedTuple):
    """Where a setup is called: environment, working directory, flags."""

    environ: Mapping[str, str]
    working_directory: Path
    config: str | None = None
    state_dir: str | None = None

    @property
    def file(self) -> Path:
        """The file that is changed: the one a flag or the environment names, else the user's own."""
        named = self.config or self.environ.get(CONFIG_VARIABLE)
        return absolute(named, self.working_directory, self.environ) if named else user_file(self.environ)


def set_up_runpod(place: Place, wishes: Wishes, person: Person) -> Report:
    """Run ``lastcall setup runpod`` and return what it told. Raises ConfigError, Interrupted."""
    report = _run(place, {}, lambda ground: RunPodSetup(ground, wishes, person))
    if not wishes.dry_run and report.exit_code == 0:
        _say_next(place, report, "runpod")
    return report


def set_up_aws(place: Place, told: Mapping[str, str], wishes: AwsWishes, person: Person) -> Report:
    """Run ``lastcall setup aws`` and return what it told. Raises ConfigError, Interrupted, and
    Refusal E-CONFIG without AWS's library.

    ``told`` is what flags say of settings: dotted key → value.
    """
    with needed_library():
        from lastcall.setup.aws import AwsSetup
    report = _run(place, told, lambda ground: AwsSetup(ground, wishes, person))
    if not wishes.dry_run and not wishes.destroy and report.exit_code == 0:
        _say_next(place, report, "aws")
    return report


@contextmanager
def needed_library() -> Iterator[None]:
    """Say what is missing where an import of AWS's parts fails. Raises Refusal E-CONFIG."""
    try:
        with aws_library():
            yield
    except Refused as error:
        raise Refusal("E-CONFIG", str(error)) from error


def _run(place: Place, told: Mapping[str, Any], make: Callable[[Ground], Setup]) -> Report:
    # Whatever the file says of the provider, an account that is not ready yet must not be refused for it.
    flags = {PROVIDER_KEY: "local", **told}
    loaded = load(place.environ, place.working_directory, flags=flags, config=_existing(place))
    places = paths.find(place.environ, place.working_directory, state_dir=place.state_dir, config=_existing(place))

    begun: list[Setup] = []

    async def work() -> Report:
        _end_with_sigterm()
        transport = AiohttpTransport(f"lastcall/{__version__}")
        try:
            ground = Ground(
                loaded.settings,
                loaded.origins,
                place.file,
                places.state_dir,
                transport,
                SteadyClock(SystemClock()),
                SystemEntropy(),
            )
            begun.append(make(ground))
            return await begun[0].run()
        finally:
            await transport.close()

    try:
        return asyncio.run(work())
    except (asyncio.CancelledError, KeyboardInterrupt):  # SIGTERM ends it as Ctrl-C does
        raise Interrupted([line for setup in begun for line in setup.left]) from None


def _existing(place: Place) -> str | None:
    """A file that is still to be written is named by no flag of the loader, which wants it there."""
    return place.config if place.config is not None and place.file.exists() else None


def _end_with_sigterm() -> None:
    """Let SIGTERM and a closed terminal end the setup as Ctrl-C does: in order, with its pod."""
    task = asyncio.current_task()
    if task is not None:
        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)


def _say_next(place: Place, report: Report, provider: str) -> None:
    """See with the daemon's own eyes what the configuration says now, and tell what is left to do."""
    title = TITLES[provider]
    try:
        loaded = load(place.environ, place.working_directory, flags={PROVIDER_KEY: provider}, config=_existing(place))
        plain = load(place.environ, place.working_directory, config=_existing(place))
    except ConfigError as error:
        report.tell(Step("next", "skipped", "the configuration is not complete", error.lines[0]))
        return
    written = read_toml(place.file).get(provider, {})
    found = getattr(loaded.settings, provider)
    others = [key for key in WRITTEN[provider] if key in written and written[key] != getattr(found, key)]
    if others:
        origin = loaded.origins[f"{provider}.{others[0]}"]
        detail = f"{origin} says another {provider}.{others[0]}, and wins"
        report.tell(Step("next", "failed", detail, f"take it out there, or in {place.file}"))
    elif plain.settings.provider != provider:
        advice = f'write provider = "{provider}" above all sections of {place.file}, or set CLOUD_PROVIDER={provider}'
        report.tell(Step("next", "done", f"{title} is ready", advice))
    else:
        report.tell(Step("next", "done", f"{title} is ready", "lastcall daemon; then lastcall doctor"))
