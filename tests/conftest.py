"""What holds for every test: loopback only, none of the developer's own settings, nothing left behind."""

from __future__ import annotations

import gc
import ipaddress
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from typing import Any

import coverage
import pytest
from hypothesis import settings
from xdist import get_xdist_worker_id, is_xdist_controller, is_xdist_worker

from tests.support import order, processes
from tests.support.leaks import _loop_tasks, no_task_left_behind  # noqa: F401

SHORT_FOLDER = "/tmp"
"""Where the run's temporary folder is: its name must leave room for the path of a Unix socket (107 bytes)."""
UNCOUNTED = (
    "tests/tidy/",
    "tests/unit/emulators/",
    "tests/integration/aws_emulator/",
    "tests/integration/runpod_emulator/",
)
"""Rooms whose tests are about files, or about the emulators, which are not ours to count."""
FIRST_WORKER = "gw0"
"""The name of the worker there always is."""
_real_connect = socket.socket.connect
_real_connect_ex = socket.socket.connect_ex
_real_sendto = socket.socket.sendto


settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("searching", derandomize=False, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))
"""The same examples every time, so that a change is judged by what it changes; ``searching`` looks for new ones.

None has a deadline of its own: how long an example takes tells more of what else the computer does.
"""


def pytest_configure(config: pytest.Config) -> None:
    """Choose a short temporary folder, unless one was asked for; workers get a part of it."""
    if not hasattr(config, "workerinput") and config.option.basetemp is None:
        config.option.basetemp = tempfile.mkdtemp(prefix="lc-", dir=SHORT_FOLDER)


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Where workers share the tests, leave one count running in each; the first begins at once, others with the tests.

    There pytest-cov begins to count in the process that shares them out, which runs nothing of ours, and twice in each
    worker, as a run alone does and as a worker does; whatever is not to be counted (``no_cover``) pauses the second
    count only. What runs while modules are loaded is the same in all workers: the first counts it for all.
    """
    own = _count(session.config)
    if own is None or not (is_xdist_controller(session) or is_xdist_worker(session)):
        return
    while (running := coverage.Coverage.current()) is not None:
        running.stop()
    if get_xdist_worker_id(session) == FIRST_WORKER:
        own.start()


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[None]:
    """Load hundreds of modules without looking through them again and again for what could be freed."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
        own = _count(session.config)
        if own is not None and is_xdist_worker(session) and get_xdist_worker_id(session) != FIRST_WORKER:
            own.start()


def _count(config: pytest.Config) -> coverage.Coverage | None:
    """Return what pytest-cov counts with in this process, if it counts."""
    plugin = config.pluginmanager.getplugin("_cov")
    found: coverage.Coverage | None = getattr(getattr(plugin, "cov_controller", None), "cov", None)
    return found


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mix the tests where workers share them, and leave uncounted what runs next to nothing of ours.

    Counting that would cost as much as the tests themselves.
    """
    if hasattr(config, "workerinput"):
        items[:] = [items[at] for at in order.mixed([item.nodeid for item in items])]
    for item in items:
        if item.nodeid.startswith(UNCOUNTED):
            item.add_marker(pytest.mark.no_cover)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Take the folder away again."""
    chosen = session.config.option.basetemp
    if not hasattr(session.config, "workerinput") and str(chosen).startswith(f"{SHORT_FOLDER}/lc-"):
        shutil.rmtree(chosen, ignore_errors=True)


class OutsideAddress(RuntimeError):
    """A test wanted to talk to something that is not on this computer."""


def check_address(family: int, address: Any) -> None:
    """Raise OutsideAddress unless ``address`` is a Unix socket or loopback."""
    if family not in (socket.AF_INET, socket.AF_INET6):
        return
    host = address[0].split("%")[0]
    try:
        inside = ipaddress.ip_address(host).is_loopback
    except ValueError:
        inside = host == "localhost"
    if not inside:
        raise OutsideAddress(f"tests stay on loopback; {address!r} is not")


def _connect(self: socket.socket, address: Any) -> None:
    check_address(self.family, address)
    _real_connect(self, address)


def _connect_ex(self: socket.socket, address: Any) -> int:
    check_address(self.family, address)
    return _real_connect_ex(self, address)


def _sendto(self: socket.socket, *arguments: Any) -> int:
    check_address(self.family, arguments[-1])
    return _real_sendto(self, *arguments)


@pytest.fixture(autouse=True, scope="session")
def loopback_only() -> Iterator[None]:
    """Refuse every address outside, for the whole run."""
    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", _connect)
    patch.setattr(socket.socket, "connect_ex", _connect_ex)
    patch.setattr(socket.socket, "sendto", _sendto)
    yield
    patch.undo()


OURS = ("LASTCALL_", "RUNPOD_", "AWS_", "XDG_", "CLOUD_PROVIDER", "TELEGRAM_BOT_TOKEN", "DOCKER_USERNAME")


@pytest.fixture(autouse=True, scope="session")
def clean_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Take the developer's own settings, keys and home directory away for the whole run."""
    patch = pytest.MonkeyPatch()
    for name in [name for name in os.environ if name.startswith(OURS)]:
        patch.delenv(name)
    patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    # Nothing here speaks TLS to strangers: no program that a test starts reads the hundreds of certificates for it.
    patch.setenv("SSL_CERT_FILE", os.devnull)
    yield
    patch.undo()


@pytest.fixture(autouse=True, scope="session")
def ctrl_c_is_heard() -> Iterator[None]:
    """Have Ctrl-C heard as at a terminal, here and in what tests start.

    What a shell starts in the background ignores it, and so does whatever that starts.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def no_child_left_behind() -> Iterator[None]:
    """Fail a test that leaves a child process."""
    before = processes.children()
    yield
    found = processes.left(processes.children, before)
    if found:
        pytest.fail(f"the test left processes behind: {found}", pytrace=False)


@pytest.fixture(autouse=True, scope="module")
def no_machine_left_behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fail a module after which anything, daemon or machine, still works in this run's temporary folders."""
    folder = tmp_path_factory.getbasetemp()

    before = processes.working_in(folder)
    yield
    found = processes.left(lambda: processes.working_in(folder), before)
    if found:
        pytest.fail(f"processes still work in {folder}: {found}", pytrace=False)
