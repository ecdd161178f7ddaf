"""However a setup ends, its connections are closed: well, by an error, by Ctrl-C, by SIGTERM."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lastcall.setup import command
from lastcall.setup.aws import AwsWishes
from lastcall.setup.command import Place, set_up_aws, set_up_runpod
from lastcall.setup.runpod import Wishes
from lastcall.setup.steps import Interrupted, Report
from providers.http import AiohttpTransport
from tests.integration.setup.kit import Someone

Run = Callable[[Place], Report]
RUNS: dict[str, tuple[str, Run]] = {
    "runpod": (
        "lastcall.setup.runpod.RunPodSetup",
        lambda place: set_up_runpod(place, Wishes(dry_run=True), Someone()),
    ),
    "aws": ("lastcall.setup.aws.AwsSetup", lambda place: set_up_aws(place, {}, AwsWishes(dry_run=True), Someone())),
}


class Broken(Exception):
    """Something that nobody expected."""


def well() -> None:
    """Come to an end."""


def broken() -> None:
    raise Broken


def by(number: signal.Signals) -> Callable[[], None]:
    return lambda: signal.raise_signal(number)


@pytest.mark.parametrize("provider", RUNS)
@pytest.mark.parametrize(
    ("end", "error"),
    [
        (well, None),
        (broken, Broken),
        (by(signal.SIGINT), Interrupted),
        (by(signal.SIGTERM), Interrupted),
        (by(signal.SIGHUP), Interrupted),
    ],
    ids=["well", "error", "Ctrl-C", "SIGTERM", "closed terminal"],
)
def test_a_setup_closes_its_connections(
    provider: str,
    end: Callable[[], None],
    error: type[BaseException] | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[str] = []

    class Noted(AiohttpTransport):
        async def close(self) -> None:
            await super().close()
            told.append("closed")

    async def run(self: Any) -> Report:
        end()
        if end is not well:
            await asyncio.Event().wait()  # a signal is heard here
        told.append("ran to its end")
        return Report(Someone())

    name, start = RUNS[provider]
    monkeypatch.setattr(command, "AiohttpTransport", Noted)
    monkeypatch.setattr(f"{name}.run", run)
    place = Place({"XDG_CONFIG_HOME": str(tmp_path), "LASTCALL_STATE_DIR": str(tmp_path / "s")}, tmp_path)
    if error is None:
        start(place)
        assert told == ["ran to its end", "closed"]
    else:
        with pytest.raises(error):
            start(place)
        assert told == ["closed"]
