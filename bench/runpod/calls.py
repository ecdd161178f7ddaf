"""Calls per job-hour on RunPod."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from bench.clouds.hour import NEXT_PAGE, Asked, measure
from providers.runpod.listing import Lister
from tests.emulators.runpod.routes import find
from tests.emulators.runpod.settings import MAIN_KEY, AccountSettings, Settings
from tests.emulators.runpod.wire import Request, Surface
from tests.simulation.runpod.house import ACCESS, SECRET, simulate
from tests.support.runpod_sim import ACCOUNT

LISTS: Final = "pods.list"
PAGES: Final = f"pods.list {NEXT_PAGE}"
"""RunPod gives a thousand pods at a time; more pods make more pages of the same list."""
CONFIRMS: Final = "volumes.get"
"""Whose account it is, once a minute whatever the number of jobs."""


def emulated() -> Settings:
    """Return a platform with room and money for all pods, and no quota: what is counted is what is wanted."""
    main = AccountSettings(
        {MAIN_KEY: "all"}, balance=Decimal(10**8), spend_limit=Decimal(10**6), s3_keys={ACCESS: SECRET}
    )
    return Settings(accounts={ACCOUNT: main}, quotas={}, stock_default=10**6, vcpus_default=10**6)


def hour(pods: int, closing: int, **more: Any) -> dict[str, Any]:
    """Return the calls of one hour with so many pods that run on and so many jobs that close."""
    asked = Asked(_name, LISTS, (CONFIRMS,))
    return measure(simulate, asked, Lister, pods, closing, emulated=emulated(), **more)


def _name(request: Request) -> str:
    if request.surface is Surface.S3:
        return f"s3.{request.method}"
    name = find(request).call if request.surface is Surface.REST else request.surface.value
    return PAGES if name == LISTS and "cursor=" in request.query else name
