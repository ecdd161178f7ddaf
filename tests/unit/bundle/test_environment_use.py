"""An environment says when it was last used: the daemon keeps what is used and lets the rest go."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from containers.job import prepare


def works(environment: Path) -> None:
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python").symlink_to(sys.executable)


def test_every_use_of_an_environment_leaves_its_time(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("")
    python = prepare.Python("/usr/bin/python3", (3, 11), {"base": "/usr/bin/python3", "marker": {}, "libc": []})
    target = tmp_path / "environments" / prepare.key_of(python, requirements.read_bytes())
    works(target)
    (target / prepare.DONE).write_text("{}")
    for _ in range(2):
        assert prepare.make(tmp_path / "environments", python, requirements, ()) == target
        used = target / prepare.USED
        assert used.stat().st_mtime > 1_000_000_000
        os.utime(used, (1, 1))


def test_an_environment_that_cannot_be_touched_is_used_all_the_same(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("")
    python = prepare.Python("/usr/bin/python3", (3, 11), {"base": "/usr/bin/python3", "marker": {}, "libc": []})
    target = tmp_path / prepare.key_of(python, requirements.read_bytes())
    (target / prepare.USED / "in the way").mkdir(parents=True)
    works(target)
    (target / prepare.DONE).write_text("{}")
    assert prepare.make(tmp_path, python, requirements, ()) == target
