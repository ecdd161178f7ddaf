"""What a node is made of; the daemon takes it from the disk, a test from memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from actors.journal.interface import Journal
from actors.storage.access import Layout
from actors.supervisor.rules import Naming
from actors.supervisor.work import Programs
from lastcall.config.settings import Settings
from lastcall.owed import OwedNotes
from messages.ids import UserId
from messages.jobs import Binding
from messages.machines import ProviderKind
from providers.interface import Provider


class Rented(NamedTuple):
    """A provider the node rents from, and whose account it is there."""

    provider: Provider
    account: str


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything a node is made of."""

    settings: Settings
    journal: Journal
    providers: Mapping[ProviderKind, Rented]
    """The configured one, and every one that open jobs are bound to."""
    kind: ProviderKind
    """Where new jobs go: one of ``providers``."""
    naming: Naming
    owner: UserId
    """Whoever runs the node, and pays for what no job and no file of anybody costs."""
    program: Programs
    version: str
    safe_mode: str | None
    degraded: Callable[[], str | None]
    """What is wrong with the journal's disk, or ``None``."""
    probe: Callable[[], Any]
    """Try a degraded journal again; a coroutine function."""
    config: Callable[[], dict[str, Any]]
    log: Callable[..., Any]
    bundle: Callable[[], str | None] = lambda: None
    """Key of the folder of the bundle that new machines start from, where they need one."""
    renew: Callable[[], Awaitable[None]] | None = None
    """Begin a new generation and tie the journal to it, from the next start on: what ends a safe mode of the start."""
    clock_jump_s: Callable[[], float | None] = lambda: None
    """By how much the computer's wall clock has jumped, or ``None``."""
    owed: OwedNotes | None = None
    """What setups spent beside the books; ``None``: there is no state directory."""

    @property
    def home(self) -> Provider:
        """The provider new jobs go to."""
        return self.providers[self.kind].provider

    @property
    def rented(self) -> dict[ProviderKind, Provider]:
        """Every provider, the one new jobs go to first."""
        kinds = dict.fromkeys((self.kind, *self.providers))
        return {kind: self.providers[kind].provider for kind in kinds}

    def binding(self, kind: ProviderKind) -> Binding:
        """Return what a job that begins there now is bound to."""
        return Binding(provider=kind, account=self.providers[kind].account, config_digest=self.settings.digest())

    def layout(self, kind: ProviderKind) -> Layout:
        """Return where things lie in a provider's store, and the names that addresses have for it."""
        places = self.providers[kind].provider.storage.places
        prefixes = self.settings.storage.prefixes
        return Layout(**prefixes, bucket=places.get("s3"), volume=places.get("runpod"))
