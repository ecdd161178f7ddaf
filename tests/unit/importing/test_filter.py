"""What the kernel is told to refuse, followed instruction by instruction for both processors."""

from __future__ import annotations

import errno
import os
import struct

import pytest

from containers.importing.calls import DENIED
from containers.importing.walls import _ARCHES, filter_program

ALLOWED, KILLED = "allowed", "killed"
ORDINARY = {"x86_64": (0, 1, 3, 5, 8, 9, 11, 12, 28, 228, 231), "aarch64": (57, 62, 63, 64, 80, 94, 113, 214, 215, 222)}
"""read, write, close, fstat, lseek, mmap, munmap, brk, madvise, clock_gettime, exit_group, by their numbers."""


def judged(machine: str, call: int, *arguments: int, audit: int | None = None) -> str | int:
    """Return what the filter makes of a call: as the kernel's machine for it does (linux/filter.h)."""
    arch = _ARCHES[machine]
    program = [struct.unpack("=HBBI", line) for line in _lines(filter_program(arch))]
    given = (*arguments, *[0] * (6 - len(arguments)))
    data = struct.pack("=iIQ6Q", call, arch.audit if audit is None else audit, 0, *given)
    at, value = 0, 0
    while True:
        code, yes, no, constant = program[at]
        at += 1
        if code == 0x20:
            value = struct.unpack_from("=I", data, constant)[0]
        elif code == 0x06:
            known = {0x7FFF0000: ALLOWED, 0x80000000: KILLED}
            return known[constant] if constant in known else int(constant) & 0xFFFF
        else:
            met = {0x15: value == constant, 0x35: value >= constant, 0x45: bool(value & constant)}[code]
            at += yes if met else no


def _lines(program: bytes) -> list[bytes]:
    return [program[start : start + 8] for start in range(0, len(program), 8)]


@pytest.mark.parametrize("machine", _ARCHES)
def test_every_call_of_the_list_is_refused_and_ordinary_ones_are_not(machine: str) -> None:
    arch = _ARCHES[machine]
    numbers = [pair[arch.place] for group in DENIED.values() for pair in group.values()]
    assert {judged(machine, number) for number in numbers if number is not None} == {errno.EPERM}
    assert {judged(machine, number) for number in ORDINARY[machine]} == {ALLOWED}
    assert not set(ORDINARY[machine]) & set(numbers)


@pytest.mark.parametrize("machine", _ARCHES)
def test_files_are_opened_for_reading_only(machine: str) -> None:
    arch = _ARCHES[machine]
    places = [(arch.openat, (0, 0))] + ([(arch.open, (0,))] if arch.open is not None else [])
    for number, before in places:
        assert judged(machine, number, *before, os.O_RDONLY | os.O_CLOEXEC) == ALLOWED
        for flags in (os.O_WRONLY, os.O_RDWR, os.O_CREAT, os.O_TRUNC, os.O_APPEND, os.O_TMPFILE | os.O_RDWR):
            assert judged(machine, number, *before, flags) == errno.EPERM


@pytest.mark.parametrize("machine", _ARCHES)
def test_threads_are_started_and_processes_are_not(machine: str) -> None:
    arch = _ARCHES[machine]
    assert judged(machine, arch.clone, 0x10000 | 0x100) == ALLOWED
    assert judged(machine, arch.clone, 17) == errno.EPERM
    assert judged(machine, 435) == errno.ENOSYS


@pytest.mark.parametrize("machine", _ARCHES)
def test_other_processes_get_no_limit_and_no_signal_by_way_of_a_file(machine: str) -> None:
    arch = _ARCHES[machine]
    assert judged(machine, arch.prlimit, 0) == ALLOWED
    assert judged(machine, arch.prlimit, 4711) == errno.EPERM
    for command, said in ((1, ALLOWED), (3, ALLOWED), (8, errno.EPERM), (10, errno.EPERM), (15, errno.EPERM)):
        assert judged(machine, arch.fcntl, 5, command) == said


def test_calls_of_another_processor_end_the_process() -> None:
    assert judged("x86_64", 0, audit=0x40000003) == KILLED
    assert judged("x86_64", 0x40000000 | 1) == KILLED
