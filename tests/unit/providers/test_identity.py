"""Where we are."""

from __future__ import annotations

from pathlib import Path

import pytest

from providers.interface import Refused
from providers.local.capacity import usable_cpus, usable_memory_gb
from providers.local.identity import read_identity, refuse_other_platforms


@pytest.mark.parametrize("system", ["Darwin", "Windows", "FreeBSD"])
def test_another_system_is_refused_with_the_reason(system: str) -> None:
    with pytest.raises(Refused, match=f"E-PLATFORM.*{system}"):
        refuse_other_platforms(system)


def test_linux_without_a_process_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="E-PLATFORM"):
        refuse_other_platforms("Linux", tmp_path)


def test_a_kernel_without_pidfd_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.pidfd_open")
    with pytest.raises(Refused, match=r"E-PLATFORM.*pidfd"):
        refuse_other_platforms()


def test_the_fingerprint_shows_neither_the_computers_id_nor_changes(tmp_path: Path) -> None:
    ids = tmp_path / "machine-id"
    ids.write_text("0123456789abcdef\n")
    first = read_identity(tmp_path, id_files=(ids,))
    assert first == read_identity(tmp_path, id_files=(tmp_path / "none", ids))
    assert first.fingerprint.startswith("local:")
    assert first.fingerprint.endswith(f":{first.uid}")
    assert "0123456789abcdef" not in first.fingerprint


def test_a_computer_without_an_id_gets_one_that_stays(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    first = read_identity(tmp_path, id_files=(empty,))
    assert first == read_identity(tmp_path, id_files=(empty,))
    (tmp_path / "elsewhere").mkdir()
    assert first.computer != read_identity(tmp_path / "elsewhere", id_files=()).computer


def test_memory_is_the_smallest_limit_known(tmp_path: Path) -> None:
    meminfo, limit = tmp_path / "meminfo", tmp_path / "memory.max"
    meminfo.write_text("MemFree: 1 kB\nMemTotal: 8000000 kB\n")
    limit.write_text("2000000000\n")
    assert usable_memory_gb(meminfo, (limit,)) == 2.0
    limit.write_text("max\n")
    assert usable_memory_gb(meminfo, (limit, tmp_path / "none")) == 8.2
    meminfo.write_text("MemTotal: many\n")
    assert usable_memory_gb(meminfo, ()) is None
    meminfo.write_text("nothing\n")
    assert usable_memory_gb(meminfo, ()) is None
    assert usable_cpus() >= 1
