"""What machines run: the training program as it stands on this computer, or from the job bundle in their storage."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from actors.supervisor.work import Program
from containers.training.families import library_of
from lastcall.bundles import BundleStore, bundle_program
from messages.folder import Work
from messages.machines import ProviderKind
from providers.interface import Provider


def training_program() -> Program:
    """Return the training program as machines of this computer start it."""
    return Program(argv=(sys.executable, "-m", "containers.training", "work.json", "out"))


class ProgramSource:
    """The program of each provider's machines; those elsewhere start from the bundle, which is put there first."""

    def __init__(self, providers: Mapping[ProviderKind, Provider], here: Program) -> None:
        """``here`` is what machines on this computer run."""
        self._providers = providers
        self._here = here
        self._bundles: BundleStore | None = None

    async def __call__(self, kind: ProviderKind, model: str) -> Program:
        """Return the program that trains ``model``, with all it needs in storage. Raises Unavailable or Refused."""
        provider = self._providers[kind]
        if provider.copies is None:
            return self._here
        bundles, storage = self._built(), provider.storage
        prefix = await bundles.ensure(storage)
        made = bundle_program(prefix, storage.machine_path(""), bundles.bundle.wrapper_sha256, library_of(model))
        return Program(
            argv=made.argv,
            environment=made.environment,
            prepare=Work(argv=made.prepare_argv, limit_s=made.prepare_limit_s),
            bundle=prefix,
            machine={"LASTCALL_WRAPPER_SHA256": made.wrapper_sha256},
        )

    def bundle(self) -> str | None:
        """Return the key of the folder of the bundle that new machines start from, where any needs one."""
        elsewhere = any(provider.copies is not None for provider in self._providers.values())
        return self._built().bundle.prefix if elsewhere else None

    def _built(self) -> BundleStore:
        if self._bundles is None:
            self._bundles = BundleStore()
        return self._bundles
