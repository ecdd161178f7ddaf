"""Who we are towards a provider: ``install.json`` beside the journal, and whether the two belong together.

The installation's id and the name key never change: with them a reaper recognises machines of ours by name alone. The
*generation* changes whenever the journal may not know of all machines rented under the old one: a new or restored
journal, a copied state directory. Until a person has had a new generation made, nothing new may be launched then
(safe mode); machines of older generations stay ours and end at their hard deadline.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from actors.journal.identity import Identity
from actors.journal.interface import JournalRefused
from messages.ids import base32

INSTALL_FILE = "install.json"
NAME_KEY_BYTES = 32
INSTALLATION_CHARS = 6
GENERATION_CHARS = 4

EntropyBytes = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Install:
    """What ``install.json`` holds."""

    installation: str
    """Six base32 characters, for ever."""
    generation: str
    """Four base32 characters, new with every journal."""
    name_key: bytes = field(repr=False)
    """Key of the check in machine names."""
    created: datetime
    home: str
    """Which file this was read from (its inode): a copy is another one. Not stored in the file itself."""


def load_or_create(state_dir: Path, *, journal_exists: bool, entropy: EntropyBytes, now: datetime) -> Install:
    """Return the installation of ``state_dir``, made at its first start.

    Without a journal the generation is a new one: what an older journal knew is gone, its machines' names remain ours.
    Raises ``JournalRefused`` when the file cannot be understood: guessing would make our machines foreign.
    """
    path = state_dir / INSTALL_FILE
    if not path.exists():
        return _write(path, _fresh(entropy, now), exclusive=True)
    install = _read(path)
    return install if journal_exists else renew(state_dir, install, entropy)


def renew(state_dir: Path, install: Install, entropy: EntropyBytes) -> Install:
    """Store and return ``install`` with a new generation."""
    generation = install.generation
    while generation == install.generation:
        generation = base32(entropy(5), GENERATION_CHARS)
    return _write(state_dir / INSTALL_FILE, replace(install, generation=generation), exclusive=False)


def safe_mode(install: Install, identity: Identity) -> str | None:
    """Say why nothing new may be launched with this journal; ``None`` when it is the installation's own.

    A journal that is still new belongs to nobody: adopt it.
    """
    if identity.lost:
        return f"the journal has lost events: {identity.lost}"
    if identity.copied:
        return "the journal is a backup that was put back; machines rented since then are not in it"
    if identity.new:
        return None
    if identity.generation != install.generation:
        return (
            f"the journal is of generation {identity.generation}, install.json of {install.generation}: "
            "one of the two was replaced"
        )
    if identity.home != install.home:
        return "the state directory is a copy; the original may still run and rent machines"
    return None


def _fresh(entropy: EntropyBytes, now: datetime) -> Install:
    return Install(
        installation=base32(entropy(5), INSTALLATION_CHARS),
        generation=base32(entropy(5), GENERATION_CHARS),
        name_key=entropy(NAME_KEY_BYTES),
        created=now,
        home="",
    )


def _write(path: Path, install: Install, *, exclusive: bool) -> Install:
    """Store it whole and synced; ``exclusive`` fails when there is one already."""
    document = {
        "schema": "install/v1",
        "installation": install.installation,
        "generation": install.generation,
        "name_key": install.name_key.hex(),
        "created": install.created.isoformat(),
    }
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(json.dumps(document, indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
    if exclusive:
        os.link(part, path)
        part.unlink()
    else:
        part.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return replace(install, home=_home(path))


def _read(path: Path) -> Install:
    try:
        document = json.loads(path.read_bytes())
        install = Install(
            installation=document["installation"],
            generation=document["generation"],
            name_key=bytes.fromhex(document["name_key"]),
            created=datetime.fromisoformat(document["created"]),
            home=_home(path),
        )
        sound = (
            document["schema"] == "install/v1"
            and _is_base32(install.installation, INSTALLATION_CHARS)
            and _is_base32(install.generation, GENERATION_CHARS)
            and len(install.name_key) == NAME_KEY_BYTES
        )
    except (ValueError, KeyError, TypeError) as error:
        raise JournalRefused(f"{path} is damaged ({type(error).__name__}); put its backup in its place") from error
    if not sound:
        raise JournalRefused(f"{path} is not an install.json this version knows; put its backup in its place")
    return install


def _is_base32(text: object, chars: int) -> bool:
    return isinstance(text, str) and len(text) == chars and set(text) <= set("abcdefghijklmnopqrstuvwxyz234567")


def _home(path: Path) -> str:
    return str(path.stat().st_ino)
