"""What stands around a process that loads a pickle: put up by the process itself, before, and never taken down.

Five walls, each by itself enough for most of what an attacker wants, as any of them may be missing or have a hole:

* limits: memory, processor time, size of a written file, open files, processes; death with the parent
* a namespace of its own without any network, and without a privilege (Linux, where the kernel permits it)
* Landlock: nothing is read but the libraries, nothing is written anywhere, no TCP, no signal to others
* seccomp: no socket, no new process or program, no file made, changed or taken away
* an audit hook in Python (``hook``), which also says what was tried

Numbers of calls and structures are part of the kernel's stable interface: unshare(2), landlock(7), seccomp(2),
prctl(2), linux/audit.h, linux/landlock.h, asm/unistd_64.h, asm-generic/unistd.h. Standard library only.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import signal
import struct
import sys
import sysconfig
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from containers.importing.calls import DENIED

FILES_MAX: Final = 256
"""Open files; what pandas and scikit-learn import needs a few dozen at once."""

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 1, 38, 22, 2
_CLONE_NEWUSER, _CLONE_NEWNET, _CLONE_NEWIPC = 0x10000000, 0x40000000, 0x08000000


class Limits(NamedTuple):
    """Bounds of one sandbox."""

    memory_bytes: int
    cpu_s: int
    file_bytes: int


def starved(error: BaseException) -> bool:
    """Return whether an error came of the limit on memory, whatever was asking: Python, the kernel or its loader.

    The loader's words for a library that finds no room are those of dlopen(3) in the GNU C library.
    """
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    found_no_room = ("cannot allocate memory", "failed to map segment", "out of memory")
    return isinstance(error, MemoryError) or (
        isinstance(error, ImportError) and any(words in str(error).lower() for words in found_no_room)
    )


class _Arch(NamedTuple):
    """What seccomp must know of a processor."""

    audit: int
    place: int
    """Which of the numbers in ``calls`` are its."""
    openat: int
    open: int | None
    clone: int
    prlimit: int
    fcntl: int


_ARCHES: Final = {
    "x86_64": _Arch(audit=0xC000003E, place=0, openat=257, open=2, clone=56, prlimit=302, fcntl=72),
    "aarch64": _Arch(audit=0xC00000B7, place=1, openat=56, open=None, clone=220, prlimit=261, fcntl=25),
}
_X32_BIT: Final = 0x40000000
_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CLONE_THREAD: Final = 0x10000
_OWNERS: Final = (8, 10, 15)
"""``F_SETOWN``, ``F_SETSIG``, ``F_SETOWN_EX``: have the kernel send a signal to another process of this user."""
_CLONE3: Final = 435
"""The same number on every processor."""

_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_LANDLOCK_READ: Final = 1 << 2 | 1 << 3
"""Read a file, read a directory."""


def put_up(limits: Limits, parent: int, readable: list[Path]) -> tuple[str, ...]:
    """Put up every wall that this system has, but the hook; return their names. The process must have one thread.

    Raises OSError where not even the limits stand, or the parent is gone.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    stood = []
    if sys.platform == "linux":
        _prctl(libc, _PR_SET_PDEATHSIG, int(signal.SIGKILL))
        _prctl(libc, _PR_SET_NO_NEW_PRIVS, 1)
        if os.getppid() != parent:
            raise OSError("the parent is gone")
        for name, wall in (("namespace", _namespace), ("landlock", lambda c: _landlock(c, readable))):
            if wall(libc):
                stood.append(name)
    if sys.platform == "linux" and _seccomp(libc):
        stood.append("seccomp")
    # A thread counts as a process here: where none can be started anyway, a library may have its threads.
    limit(limits, processes=None if "seccomp" in stood else 0)
    return ("limits", *stood)


def library_folders() -> list[Path]:
    """Return the folders that a process of this Python reads its libraries from."""
    found = [Path(entry) for entry in sys.path if Path(entry).is_absolute()]
    found += [Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    base = Path(sys.base_prefix)
    found += [base / "lib", *map(Path, ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib"))]
    found += map(Path, ("/usr/share/zoneinfo", "/etc/ld.so.cache", "/dev/null", "/dev/urandom"))
    found += map(Path, ("/proc/cpuinfo", "/proc/meminfo", "/proc/self", "/sys/devices/system/cpu"))
    return [path for path in dict.fromkeys(found) if path.exists()]


def _prctl(libc: Any, option: int, value: int) -> None:
    zero = ctypes.c_ulong(0)
    if libc.prctl(option, ctypes.c_ulong(value), zero, zero, zero) != 0:
        raise OSError(ctypes.get_errno(), f"prctl option {option}")


def limit(limits: Limits, processes: int | None = None) -> None:
    """Bound what this process may take from now on; without ``processes``, not how many it may start."""
    bounds: dict[int, int] = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_AS: limits.memory_bytes,
        resource.RLIMIT_CPU: limits.cpu_s,
        resource.RLIMIT_FSIZE: limits.file_bytes,
        resource.RLIMIT_NOFILE: FILES_MAX,
    }
    if processes is not None:
        bounds[resource.RLIMIT_NPROC] = processes
    for which, bound in bounds.items():
        hard = resource.getrlimit(which)[1]
        least = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
        resource.setrlimit(which, (least, least))


def _namespace(libc: Any) -> bool:
    """Leave the network, the privileges and the shared memory of others behind."""
    for flags in (_CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWIPC, _CLONE_NEWNET | _CLONE_NEWIPC):
        if libc.unshare(flags) == 0:
            return True
    return False


def _landlock(libc: Any, readable: list[Path]) -> bool:
    """Leave all files but what is readable, and TCP, behind."""
    version = libc.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    if version < 1:
        return False
    rights = 0x1FFF | (1 << 13 if version >= 2 else 0) | (1 << 14 if version >= 3 else 0)
    rights |= 1 << 15 if version >= 5 else 0
    attributes = struct.pack("=QQQ", rights, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    size = 8 if version < 4 else 16 if version < 6 else 24
    rules = libc.syscall(_LANDLOCK_CREATE, attributes, ctypes.c_size_t(size), ctypes.c_uint32(0))
    if rules < 0:
        return False
    try:
        for path in readable:
            _allow_reading(libc, rules, path)
        return bool(libc.syscall(_LANDLOCK_RESTRICT, rules, ctypes.c_uint32(0)) == 0)
    finally:
        os.close(rules)


def _allow_reading(libc: Any, rules: int, path: Path) -> None:
    with suppress(OSError):
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            rights = _LANDLOCK_READ if path.is_dir() else 1 << 2
            rule = struct.pack("=Qi", rights, place)
            libc.syscall(_LANDLOCK_ADD, rules, 1, rule, ctypes.c_uint32(0))
        finally:
            os.close(place)


def _seccomp(libc: Any) -> bool:
    """Leave every call behind that reaches out, starts something or changes a file."""
    arch = _ARCHES.get(platform.machine())
    if arch is None:
        return False
    program = filter_program(arch)
    code = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    zero = ctypes.c_ulong(0)
    return bool(libc.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_SECCOMP_MODE_FILTER), head, zero, zero) == 0)


def filter_program(arch: _Arch) -> bytes:
    """Return the filter as the kernel takes it: eight bytes an instruction."""
    load, equal, at_least, any_bit, answer = 0x20, 0x15, 0x35, 0x45, 0x06
    allow, refuse, absent, kill = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS, 0x80000000
    lines = [(load, 0, 0, 4), (equal, 1, 0, arch.audit), (answer, 0, 0, kill), (load, 0, 0, 0)]
    lines += [(at_least, 0, 1, _X32_BIT), (answer, 0, 0, kill)]
    denied = [pair[arch.place] for group in DENIED.values() for pair in group.values()]
    numbers = [number for number in denied if number is not None]
    # Its flags lie in memory, where a filter cannot look: without it the C library takes the older call for a thread.
    lines += [(equal, 0, 1, _CLONE3), (answer, 0, 0, absent)]
    lines += [line for number in numbers for line in ((equal, 0, 1, number), (answer, 0, 0, refuse))]
    opens = [(arch.openat, 2)] + ([(arch.open, 1)] if arch.open is not None else [])
    for number, argument in opens:
        low = 16 + 8 * argument
        lines += [(equal, 0, 4, number), (load, 0, 0, low), (any_bit, 0, 1, _WRITING), (answer, 0, 0, refuse)]
        lines += [(answer, 0, 0, allow)]
    # Another process of this user could be given limits, or a signal by way of a file.
    lines += [(equal, 0, 4, arch.prlimit), (load, 0, 0, 16), (equal, 1, 0, 0), (answer, 0, 0, refuse)]
    lines += [(answer, 0, 0, allow), (equal, 0, 6, arch.fcntl), (load, 0, 0, 24)]
    lines += [(equal, len(_OWNERS) - at, 0, command) for at, command in enumerate(_OWNERS)]
    lines += [(answer, 0, 0, allow), (answer, 0, 0, refuse)]
    lines += [(equal, 0, 4, arch.clone), (load, 0, 0, 16), (any_bit, 1, 0, _CLONE_THREAD), (answer, 0, 0, refuse)]
    lines += [(answer, 0, 0, allow), (answer, 0, 0, allow)]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)
