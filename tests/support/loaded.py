"""What daemons and commands load before they act: loaded once by a process that is copied for each of them."""

from __future__ import annotations

from importlib import import_module

from providers.aws.settings import SERVICES
from providers.aws.wire import Services

for _name in (
    "actors.journal.sqlite",
    "lastcall.daemon",
    "lastcall.doctor.command",
    "lastcall.reaping",
    "lastcall.setup.aws",
    "lastcall.setup.command",
    "lastcall.setup.runpod",
    "providers.aws.provider",
    "providers.runpod.provider",
    "tests.support.quick_clouds",
):
    import_module(_name)
for _name in SERVICES:
    Services()[_name]
