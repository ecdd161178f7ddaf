"""Machines of this installation that run while no daemon watches them, whatever they are rented from."""

from __future__ import annotations

from collections.abc import Sequence

from actors.journal import install as installs
from actors.journal.interface import JournalRefused
from lastcall.config.settings import Settings
from lastcall.doctor.findings import Finding, Room
from lastcall.renting import aws_settings, runpod_settings
from messages.machines import MachineName, MachineState
from providers.factory import aws_library
from providers.interface import CloudTrainingProvider, ProviderError
from providers.runpod.provider import build_runpod_training


async def machines(room: Room) -> Sequence[Finding]:
    """Without a daemon that answers: whether machines of this installation run all the same."""
    if room.status is not None or room.places is None or room.loaded is None:
        return []
    if not (room.places.state_dir / installs.INSTALL_FILE).exists():
        return []
    try:
        training = _training(room, room.loaded.settings)
    except ProviderError as error:
        return [Finding("machines", "warn", f"not known: {error}", "see above")]
    if training is None:
        return []
    try:
        install = installs.load_or_create(
            room.places.state_dir, journal_exists=True, entropy=lambda _: b"", now=room.clock.now()
        )
        listing = await training.list_machines()
    except JournalRefused as error:
        return [Finding("machines", "fail", str(error), "put the backup of install.json in its place")]
    except ProviderError as error:
        return [Finding("machines", "warn", f"not known: {error}", "try again")]
    finally:
        await training.close()
    names = [
        machine.name
        for machine in listing.machines
        if machine.state is not MachineState.GONE
        and (name := MachineName.parse(machine.name, install.name_key)) is not None
        and name.install == install.installation
    ]
    if names:
        if room.hangs:
            detail = f"running, and the daemon does not answer: {', '.join(names)}"
            return [Finding("machines", "warn", detail, "restart lastcall daemon: it takes them over")]
        detail = f"running with nobody watching: {', '.join(names)}"
        return [Finding("machines", "warn", detail, "start lastcall daemon, which takes them over, or lastcall reap")]
    if not listing.complete:
        return [Finding("machines", "warn", "the listing is not complete: there may be machines", "try again")]
    return [Finding("machines", "ok", "none of this installation runs")]


def _training(room: Room, settings: Settings) -> CloudTrainingProvider | None:
    """Open what the configured cloud rents machines by; ``None`` for this computer. Raises Refused."""
    if settings.provider == "runpod":
        return build_runpod_training(runpod_settings(settings), room.clock, room.transport)
    if settings.provider == "aws":
        with aws_library():
            from providers.aws.provider import build_aws_training
        return build_aws_training(aws_settings(settings), room.clock, room.transport)
    return None
