"""What a setup stands on, whatever the provider."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from actors.runtime.world import Clock
from lastcall.config.settings import Settings
from providers.seams import Entropy
from providers.transport import Transport


class Ground(NamedTuple):
    """What a setup stands on."""

    settings: Settings
    origins: Mapping[str, str]
    """Dotted key → flag, variable, file or ``default``."""
    config: Path
    """The file that is changed."""
    state_dir: Path
    transport: Transport
    clock: Clock
    entropy: Entropy
