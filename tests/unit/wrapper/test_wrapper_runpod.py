"""Ending a pod from inside: which calls, in which order, and what is told of them."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from containers.job import ending, main, processes, runpod
from containers.job.clock import Clock
from containers.job.ending import Machine, end_machine, take_pod
from containers.job.processes import ignore_exit
from containers.job.runpod import Pod, end_pod
from containers.job.settings import SettingsError, read
from tests.unit.wrapper.fakes import StillClock, environment

KEY = "rpa_SECRET"
POD = {"RUNPOD_POD_ID": "7h9k2m4n6p", "LASTCALL_RUNPOD_API_URL": "http://127.0.0.1:1/v2/"}
Answer = tuple[int | None, str, bool]


class Answers:
    """Stands for the wire: answers by route, notes what was called."""

    def __init__(self, **by_route: Answer) -> None:
        self.called: list[str] = []
        self._by_route = by_route

    def __call__(self, pod: Pod, method: str, url: str, body: Any) -> Answer:
        name = next(name for name, _, at, _ in pod.routes if at == url)
        self.called.append(name)
        return self._by_route.get(name, (403, "no", False))


def test_the_routes_are_those_of_the_platform() -> None:
    """Fact sheet 2.2: delete, then the action, then the older API."""
    pod = Pod({"RUNPOD_POD_ID": "abc"}, KEY)
    assert [(name, method, url) for name, method, url, _ in pod.routes] == [
        ("delete", "DELETE", "https://api.runpod.io/v2/pods/abc"),
        ("action", "POST", "https://api.runpod.io/v2/pods/abc/action"),
        ("graphql", "POST", "https://api.runpod.io/graphql"),
    ]
    assert pod.routes[1][3] == {"action": "terminate"}
    assert pod.routes[2][3] == {"query": 'mutation{podTerminate(input:{podId:"abc"})}'}


@pytest.mark.parametrize(("pod_id", "key"), [("", KEY), ("a/../b", KEY), ('a"}', KEY), ("abc", ""), ("abc", "a\nb")])
def test_an_id_or_key_that_cannot_be_one_is_never_sent(pod_id: str, key: str) -> None:
    pod = Pod({"RUNPOD_POD_ID": pod_id}, key)
    assert pod.routes == ()
    end_pod(pod)


def test_the_key_shows_in_no_text_of_a_pod_or_a_machine(tmp_path: Path) -> None:
    pod = Pod(POD, KEY)
    assert KEY not in f"{pod!r} {pod} {Machine('lc1-x', tmp_path, 'runpod', tmp_path, pod)!r}"


def test_an_accepted_end_asks_no_other_route(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Answers(delete=(204, "", True))
    monkeypatch.setattr(runpod, "call", wire)
    end_pod(Pod(POD, KEY), limit_s=0.2)
    assert wire.called == ["delete"]


@pytest.mark.parametrize("answer", [(204, "", True), (404, "", True)])
def test_an_end_that_was_accepted_and_did_nothing_is_tried_by_every_other_route(
    answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault 5: the answer may be without effect, and 404 may mean that the pod is not the key's."""
    wire = Answers(delete=answer, action=answer, graphql=answer)
    monkeypatch.setattr(runpod, "call", wire)
    monkeypatch.setattr(runpod, "ROUND_S", 0.1)
    end_pod(Pod(POD, KEY), limit_s=0.15)
    assert wire.called[:4] == ["delete", "action", "graphql", "delete"]


def test_every_route_is_tried_and_the_round_begins_again(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Answers()
    told: list[tuple[str, int | None]] = []
    monkeypatch.setattr(runpod, "call", wire)
    monkeypatch.setattr(runpod, "ROUND_S", 0.1)
    end_pod(Pod(POD, KEY), lambda route, status, *_: told.append((route, status)), limit_s=0.15)
    assert wire.called[:6] == ["delete", "action", "graphql"] * 2
    assert told[0] == ("delete", 403)


def test_without_a_thread_the_call_is_made_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoThread:
        def __init__(self, **_: Any) -> None:
            return

        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    wire = Answers(delete=(204, "", True))
    monkeypatch.setattr(runpod, "call", wire)
    monkeypatch.setattr(threading, "Thread", NoThread)
    end_pod(Pod(POD, KEY), limit_s=0.05)
    assert wire.called == ["delete"]


def test_no_answer_is_told_without_the_key() -> None:
    pod = Pod(POD, "127.0.0.1")
    status, detail, accepted = runpod.call(pod, "DELETE", "http://127.0.0.1:1/127.0.0.1/\n", None)
    assert (status, accepted) == (None, False)
    assert "127.0.0.1" not in detail


# ------------------------------------------------------------------------------------------- the machine


def test_the_end_of_a_pod_waits_for_nothing_that_cannot_be_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process in an uninterruptible call, a disk that does not answer: the rent ends all the same."""
    stuck = threading.Event()

    def kill(*_: Any) -> bool:
        if not stuck.wait(20):
            stuck.set()
        return False

    wire = Answers(delete=(204, "", True))
    monkeypatch.setattr(runpod, "call", wire)
    monkeypatch.setattr(runpod, "END_LIMIT_S", 0.1)
    monkeypatch.setattr(ending, "end_pod", lambda pod, told: end_pod(pod, told, 0.1))
    monkeypatch.setattr(ending, "RENTED_KILL_S", 0.05)
    monkeypatch.setattr(ending, "kill_everything", kill)
    assert end_machine(Machine("lc1-x", tmp_path, "runpod", tmp_path, Pod(POD, KEY)), StillClock())
    assert not stuck.is_set(), "it waited for the killing"
    stuck.set()
    assert wire.called == ["delete"]
    word = json.loads((tmp_path / "ending.json").read_text())
    assert word == {
        "at": word["at"], "route": "delete", "status": 204, "detail": "", "accepted": True,
    }  # fmt: skip


def test_a_job_folder_that_cannot_be_written_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Answers(delete=(204, "", True))
    monkeypatch.setattr(runpod, "call", wire)
    monkeypatch.setattr(ending, "end_pod", lambda pod, told: end_pod(pod, told, 0.05))
    monkeypatch.setattr(ending, "kill_everything", lambda *_: True)
    for folder in (tmp_path / "nowhere", None):
        assert end_machine(Machine("lc1-x", tmp_path, "runpod", folder, Pod(POD, KEY)), StillClock())
    assert wire.called == ["delete", "delete"]
    assert list(tmp_path.iterdir()) == []


def test_the_key_comes_through_the_pipe_and_the_pipe_is_closed() -> None:
    out, into = os.pipe()
    os.write(into, KEY.encode())
    os.close(into)
    assert take_pod({**POD, "LASTCALL_KEY_FD": str(out)}).key == KEY
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(out)
    assert take_pod({**POD, "RUNPOD_API_KEY": KEY}).key == KEY
    assert take_pod({**POD, "LASTCALL_KEY_FD": "9999"}).key == ""


def test_a_pods_own_disk_is_below_its_home(tmp_path: Path) -> None:
    told = environment(tmp_path, LASTCALL_PROVIDER="runpod", HOME="/home/pod")
    del told["LASTCALL_MACHINE_DIR"]
    assert read(told).machine_dir == Path("/home/pod/.lastcall-machine")
    assert (read(told).machine_id, read({**told, **POD}).machine_id) == (None, POD["RUNPOD_POD_ID"])
    assert read({**told, "HOME": ""}).machine_dir == Path("/tmp/.lastcall-machine")
    with pytest.raises(SettingsError, match="LASTCALL_MACHINE_DIR"):
        read({**told, "LASTCALL_PROVIDER": "local"})


def test_where_packages_come_from_is_for_the_preparing_step_alone(tmp_path: Path) -> None:
    from containers.job.scratch import environment as given
    from containers.job.scratch import preparing_environment
    from containers.job.spec import Work

    settings = read(environment(tmp_path, PIP_INDEX_URL="http://u:secret@127.0.0.1/simple", PIP_TARGET="/x"))
    work = Work(("true",), {}, None)
    assert "PIP_INDEX_URL" not in given(settings, work)
    assert set(preparing_environment(settings, work)) - set(given(settings, work)) == {"PIP_INDEX_URL"}
    assert "secret" not in repr(settings)


def test_a_pod_with_an_environment_that_is_no_use_ends_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ended: list[Pod] = []
    monkeypatch.setattr(main, "end_pod", ended.append)
    assert main.main({"LASTCALL_PROVIDER": "runpod", **POD, "RUNPOD_API_KEY": KEY}) == 78
    assert [pod.id for pod in ended] == [POD["RUNPOD_POD_ID"]]
    assert main.main({"LASTCALL_PROVIDER": "local"}) == 78
    assert len(ended) == 1
    assert KEY not in capsys.readouterr().err


def test_a_hidden_process_shows_its_environment_to_nobody_of_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, ...]] = []

    class Library:
        def prctl(self, *arguments: int) -> int:
            asked.append(arguments)
            return 0 if len(asked) == 1 else -1

    monkeypatch.setattr("ctypes.CDLL", lambda *_, **__: Library())
    processes.hide()
    assert asked == [(4, 0, 0, 0, 0)]
    with pytest.raises(OSError, match="prctl"):
        processes.hide()


@pytest.mark.parametrize(("provider", "times"), [("runpod", 1), ("local", 0)])
def test_only_a_wrapper_that_holds_a_key_hides(
    provider: str, times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A local one must stay visible: the daemon finds its machine by its environment."""
    hidden: list[bool] = []

    class Nothing:
        def __init__(self, *_: Any) -> None:
            self.noticed = False

        def __getattr__(self, name: str) -> Any:
            return lambda *_: None

    monkeypatch.setattr(main, "hide", lambda: hidden.append(True))
    for name in ("Signals", "Timer", "Life"):
        monkeypatch.setattr(main, name, Nothing)
    monkeypatch.setattr(main, "become_reaper", lambda: None)
    monkeypatch.setattr(main, "end_machine", lambda *_: True)
    assert main.main(environment(tmp_path, LASTCALL_PROVIDER=provider)) == 0
    assert len(hidden) == times
    assert (tmp_path / "machine").exists() is (provider == "runpod")


def test_killing_and_clearing_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(ending, "kill_everything", lambda name, clock, on_exit: on_exit is ignore_exit)
    assert end_machine(Machine("lc1-x", tmp_path, "runpod"), Clock())
    assert not (tmp_path / "scratch").exists()
