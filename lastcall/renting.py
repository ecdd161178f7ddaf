"""Opens the configured provider from the configuration, and closes it again."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel

from actors.runtime.world import World
from containers.job.build import build as build_wrapper
from lastcall.config.settings import Settings
from providers.factory import CloudProviderFactory
from providers.interface import Provider
from providers.local.settings import LocalSettings
from providers.seams import Outside
from providers.transport import Transport

WRAPPER_FOLDER = "wrapper"
PREDICTION_BYTES_MIN = 4 << 30
"""The numeric libraries reserve address space for every core before they use any."""


def open_provider(settings: Settings, state_dir: Path, world: World, transport: Transport) -> Provider:
    """Open the configured provider. Raises ProviderError when this computer cannot be one, OSError."""
    outside = Outside(world.clock, world.entropy, world.spawner, transport)
    return CloudProviderFactory().build(settings.provider, _settings_of(settings, state_dir), outside)


async def close_provider(provider: Provider) -> None:
    """Let go of everything of a provider; machines keep running."""
    await provider.training.close()
    await provider.storage.close()
    await provider.prediction.close()


def _settings_of(settings: Settings, state_dir: Path) -> BaseModel:
    return LocalSettings(
        root=state_dir,
        wrapper=wrapper_file(state_dir),
        price_usd_per_second=settings.local.price_usd_per_second,
        prediction_memory_bytes=prediction_memory_bytes(),
    )


def prediction_memory_bytes() -> int:
    """Return the address space one prediction may use: half the memory, and what numpy needs."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(PREDICTION_BYTES_MIN, memory // 2)


def wrapper_file(state_dir: Path) -> Path:
    """Build the job wrapper under a name that holds its digest, so that a running one is never replaced."""
    folder = state_dir / WRAPPER_FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    fresh = folder / "new.pyz"
    digest = build_wrapper(fresh)
    target = folder / f"job-{digest[:16]}.pyz"
    fresh.replace(target)
    return target
