"""The newest whole checkpoint of the earlier attempts is brought; a bad one never costs more than itself."""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from containers.job import resume
from containers.job.resume import Chunks, Patience, bring, disk_chunks
from tests.unit.wrapper.fakes import StillClock

KEYS = ("jobs/u/j/3/checkpoint.json", "jobs/u/j/2/checkpoint.json", "jobs/u/j/1/checkpoint.json")


ONE = hashlib.sha256(b"one").hexdigest()


def listed(name: str, size: str, sha256: str = ONE) -> str:
    """Return the list of one file."""
    return f'{{"schema": "kept/v1", "files": [{{"name": "{name}", "size_bytes": {size}, "sha256": "{sha256}"}}]}}'


class Kept:
    """A store of earlier attempts."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = StillClock()
        self.target = root / "scratch" / "latest"
        self.target.parent.mkdir()
        self.is_stopped = False

    def keep(self, attempt: int, *files: bytes, **more: Any) -> Path:
        """Leave checkpoints of one attempt, newest first."""
        folder = self.root / "jobs/u/j" / str(attempt)
        (folder / "checkpoint").mkdir(parents=True)
        entries = []
        for slot, data in enumerate(files, 1):
            (folder / "checkpoint" / str(slot)).write_bytes(data)
            sha256 = hashlib.sha256(data).hexdigest()
            entries.append({"name": f"checkpoint/{slot}", "size_bytes": len(data), "sha256": sha256, **more})
        document = {"schema": "kept/v1", "attempt": attempt, "at": "2026-11-26T08:00:00Z", "files": entries}
        (folder / "checkpoint.json").write_text(json.dumps(document))
        return folder

    def bring(self, chunks: Chunks | None = None) -> str:
        patience = Patience(self.clock, self.clock.boot() + 10, lambda: self.is_stopped)
        return bring(KEYS, self.target, chunks or disk_chunks(self.root), patience)

    @property
    def found(self) -> bytes | None:
        """What the work finds; nothing unfinished lies beside it."""
        names = [path.name for path in self.target.parent.iterdir()]
        assert names in ([], ["latest"])
        return self.target.read_bytes() if names else None


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path)


def test_the_newest_of_the_newest_attempt_that_has_one_is_brought(kept: Kept) -> None:
    kept.keep(1, b"one")
    kept.keep(2, b"two, newest", b"two, older")
    assert kept.bring() == "going on from the checkpoint of attempt 2 (11 bytes)"
    assert kept.found == b"two, newest"


def test_without_any_the_work_starts_from_the_beginning(kept: Kept) -> None:
    assert kept.bring() == "no earlier attempt has left a checkpoint: starting from the beginning"
    assert kept.found is None
    assert bring((), kept.target, disk_chunks(kept.root), Patience(kept.clock, 0, lambda: False)) == ""


@pytest.mark.parametrize("damage", ["cut", "other bytes", "longer", "gone", "link"])
def test_a_damaged_one_gives_way_to_the_older_one_of_its_attempt_then_of_the_attempt_before(
    kept: Kept, damage: str
) -> None:
    kept.keep(1, b"one")
    folder = kept.keep(2, b"newest", b"older") / "checkpoint"
    for slot, expected in (("1", b"older"), ("2", b"one")):
        file = folder / slot
        whole = file.read_bytes()
        if damage in ("gone", "link"):
            file.unlink()
            if damage == "link":
                (folder / f"{slot} elsewhere").write_bytes(whole)
                file.symlink_to(folder / f"{slot} elsewhere")
        else:
            file.write_bytes({"cut": whole[:-1], "other bytes": b"x" + whole[1:], "longer": whole + b"x"}[damage])
        assert kept.bring().startswith("going on from")
        assert kept.found == expected
    (kept.root / "jobs/u/j/1/checkpoint/1").unlink()
    kept.target.unlink()
    assert kept.bring().endswith("starting from the beginning")
    assert kept.found is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"schema": "kept/v2", "files": []}',
        '{"schema": "kept/v1"}',
        '{"schema": "kept/v1", "files": [7]}',
        listed("../1/checkpoint/1", "3"),
        listed("checkpoint/1", "true", "0" * 64),
        listed("checkpoint/1", "9e9", "0" * 64),
        '{"schema": "kept/v1", "files": [{"name": "checkpoint/1", "size_bytes": 3, "sha256": "x"}]}',
        " " * (65 << 10),
    ],
)
def test_a_list_that_is_none_of_ours_is_passed_over(kept: Kept, text: str) -> None:
    folder = kept.keep(2, b"two")
    kept.keep(1, b"one")
    (folder / "checkpoint.json").write_text(text)
    assert kept.bring() == "going on from the checkpoint of attempt 1 (3 bytes)"
    assert kept.found == b"one"


def test_storage_that_does_not_answer_is_asked_again_for_a_while(kept: Kept) -> None:
    kept.keep(2, b"two")
    kept.keep(1, b"one")
    answers = iter([False, True, False, False, True])

    def sometimes(key: str) -> Iterator[bytes]:
        if "/3/" not in key and not next(answers, False):
            raise OSError(errno.EIO, "no answer")
        return disk_chunks(kept.root)(key)

    assert kept.bring(sometimes) == "going on from the checkpoint of attempt 2 (3 bytes)"
    assert kept.clock.passed == 3 * resume.RETRY_S
    kept.target.unlink()
    said = kept.bring(sometimes)
    assert said == "the checkpoint of attempt 1 cannot be found (no answer): starting from the beginning"
    assert kept.clock.passed < 15


def test_a_full_disk_is_not_waited_for(kept: Kept) -> None:
    kept.keep(1, b"one")

    def full(key: str) -> Iterator[bytes]:
        yield from disk_chunks(kept.root)(key)
        if not key.endswith(".json"):
            raise OSError(errno.ENOSPC, "full")

    said = kept.bring(full)
    assert said == "a checkpoint of attempt 1 cannot be used (full): starting from the beginning"
    assert (kept.clock.passed, kept.found) == (0, None)


@pytest.mark.parametrize("at", ["before", "meanwhile"])
def test_a_stop_ends_it_at_once(kept: Kept, at: str) -> None:
    kept.keep(1, b"one")
    kept.is_stopped = at == "before"

    def stopping(key: str) -> Iterator[bytes]:
        kept.is_stopped = not key.endswith(".json")
        yield from disk_chunks(kept.root)(key)

    assert kept.bring(stopping) == ""
    assert kept.found is None
