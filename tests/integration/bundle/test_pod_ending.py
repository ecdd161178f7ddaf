"""A pod ends, whatever is wrong: with the volume, the wrapper, the platform's answers, or the image."""

from __future__ import annotations

import signal
import stat
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from containers.job.runpod import CALL_LIMIT_S, Pod, call
from messages.jobs import ResultMarker
from tests.integration.bundle.api import Platform
from tests.integration.bundle.pod import KEY, PodRun
from tests.support.patience import PATIENCE_S

RAN = "import pathlib; pathlib.Path('out', 'ran').write_text('yes')"


def ready(pod: PodRun, script: str = RAN) -> None:
    """A job whose preparing step has nothing to do."""
    pod.fill()
    pod.spec(script, prepare=None, work={"argv": ["python3", "-I", "-S", "-u", "-c", script]})


def ran(pod: PodRun) -> bool:
    return (pod.folder / "started.json").exists() or (pod.folder / "result.json").exists()


def test_without_a_volume_nothing_runs_and_the_pod_ends(pod: PodRun, platform: Platform) -> None:
    pod.mount.unlink()
    assert pod.run(LASTCALL_FOLDER_WAIT_S=0.5) == -signal.SIGKILL
    assert platform.count("delete") == 1
    assert "no wrapper" in pod.console


def test_a_wrapper_that_is_not_the_one_that_was_meant_is_not_run(pod: PodRun, platform: Platform) -> None:
    ready(pod)
    with (pod.volume / pod.bundle.prefix / "wrapper.pyz").open("ab") as file:
        file.write(b"more")
    pod.run(LASTCALL_FOLDER_WAIT_S=0.5)
    assert platform.count("delete") == 1
    assert not ran(pod)


def test_a_wrapper_that_comes_late_is_waited_for(pod: PodRun) -> None:
    """The volume may show what was written elsewhere a moment later."""
    ready(pod)
    path = pod.volume / pod.bundle.prefix / "wrapper.pyz"
    path.rename(path.with_name("later"))
    pod.start()
    time.sleep(0.3)
    path.with_name("later").rename(path)
    pod.wait()
    assert pod.marker["outcome"] == "succeeded"


def test_at_the_hard_deadline_the_pod_ends_although_it_still_waits(pod: PodRun, platform: Platform) -> None:
    began = time.monotonic()
    pod.run(hard_in_s=1.0, LASTCALL_FOLDER_WAIT_S=60)
    assert platform.count("delete") == 1
    assert platform.calls[0][1] - began >= 0.9
    assert "hard deadline" in pod.console


@pytest.mark.parametrize("deadline", ["", "soon", "nan"])
def test_a_hard_deadline_that_is_no_time_has_passed(pod: PodRun, platform: Platform, deadline: str) -> None:
    pod.run(LASTCALL_HARD_DEADLINE=deadline)
    assert platform.count("delete") == 1
    assert not ran(pod)


def test_a_wrapper_that_cannot_work_from_its_environment_ends_the_pod(pod: PodRun, platform: Platform) -> None:
    ready(pod)
    pod.run(without="LASTCALL_SOFT_DEADLINE")
    assert platform.count("delete") == 1
    assert not ran(pod)


def test_a_restarted_container_runs_nothing_and_ends_the_pod_again(pod: PodRun, platform: Platform) -> None:
    """Fault 21; nobody accepts the end at first, so the container exits and is started again."""
    ready(pod, f"open({str(pod.volume / 'count')!r}, 'a').write('ran ')")
    platform.says = dict.fromkeys(platform.says, "refuse")
    began = time.monotonic()
    assert pod.run() == 0
    assert time.monotonic() - began >= 9
    assert {name for name, _ in platform.calls} == {"delete", "action", "graphql"}
    assert platform.count("delete") == 2
    word = pod.read("ending.json")
    assert (word["accepted"], word["route"], word["status"]) == (False, "graphql", 200)
    assert "Unauthorized" in word["detail"]
    marker = pod.marker
    platform.says = dict.fromkeys(platform.says, "accept")
    assert pod.run() == -signal.SIGKILL
    assert pod.marker == marker
    assert (pod.volume / "count").read_text() == "ran "
    assert pod.read("ending.json")["accepted"] is True


def test_a_route_that_hangs_holds_up_no_other(pod: PodRun, platform: Platform) -> None:
    ready(pod)
    platform.says.update(delete="hang", action="hang")
    assert pod.run() == -signal.SIGKILL
    assert [name for name, _ in platform.calls] == ["delete", "action", "graphql"]
    for (_, earlier), (_, later) in pairwise(platform.calls):
        assert later - earlier < CALL_LIMIT_S, "the next way is tried before the last one is given up"


def test_the_key_follows_no_redirect_and_stays_out_of_what_is_told(pod: PodRun, platform: Platform) -> None:
    """The platform's own words may repeat a key; the job folder never holds it."""
    ready(pod)
    platform.says.update(delete="refuse", action="redirect")
    pod.run()
    assert "unknown" not in {name for name, _ in platform.calls}
    refused = Pod({**pod.environment(1, 1), "RUNPOD_POD_ID": "pod1"}, KEY)
    status, detail, accepted = call(refused, *refused.routes[0][1:])
    assert (status, accepted) == (403, False)
    assert "Bearer ***" in detail
    words = [path.read_text() for path in pod.folder.glob("*.json")]
    assert not [text for text in [*words, pod.console] if KEY in text]


def test_the_machine_is_killed_before_the_rent_ends(pod: PodRun, platform: Platform) -> None:
    script = (
        "import subprocess, sys, time\n"
        "subprocess.Popen([sys.executable, '-I', '-S', '-c', 'import time; time.sleep(300)'], start_new_session=True)\n"
    )
    ready(pod, script)
    seen: list[int] = []
    kill = platform.kill

    def at_the_end() -> None:
        seen.append(len(pod.alive()))
        kill()

    platform.kill = at_the_end
    pod.start()
    assert pod.process is not None
    pod.process.wait(PATIENCE_S)
    assert seen[0] <= 1, "only the wrapper itself was left"
    assert pod.marker["outcome"] == "succeeded"


def test_without_a_key_nothing_is_called_and_the_container_exits(pod: PodRun, platform: Platform) -> None:
    ready(pod)
    assert pod.run(without="RUNPOD_API_KEY") == 0
    assert platform.calls == []
    assert pod.marker["outcome"] == "succeeded"


# ------------------------------------------------------------------------------------------- no Python


def image_without_python(pod: PodRun, *tools: str) -> str:
    """A search path with a few commands of the system, and no Python."""
    folder = pod.root / "tools"
    folder.mkdir()
    for name in ("sh", "date", "ln", "rm", "sleep", "cat", *tools):
        (folder / name).symlink_to(next(Path(at, name) for at in ("/bin", "/usr/bin") if Path(at, name).exists()))
    (folder / "sleep").unlink()
    (folder / "sleep").write_text("#!/bin/sh\nexit 0\n")
    (folder / "sleep").chmod(0o755)
    return str(folder)


def stand_in(folder: str, name: str, says: int) -> None:
    """A program that notes how it was called: what is on the command line, and what comes in."""
    script = Path(folder, name)
    note = "import sys, json; print(json.dumps([sys.argv[1:], '-' in sys.argv and sys.stdin.read()]))"
    script.write_text(f'#!/bin/sh\n{sys.executable} -I -S -c "{note}" "$@" >>\'{folder}/{name}.calls\'\nexit {says}\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)


def test_an_image_without_python_is_told_in_the_marker_and_the_pod_ends(pod: PodRun, platform: Platform) -> None:
    folder = image_without_python(pod)
    stand_in(folder, "curl", 0)
    assert pod.run(PATH=folder) == 1
    marker = ResultMarker.model_validate(pod.marker)
    assert (marker.outcome, marker.code, marker.attempt) == ("failed", "E-NOPYTHON", 1)
    assert [path.name for path in pod.folder.iterdir()] == ["result.json"]
    called = Path(folder, "curl.calls").read_text()
    assert f"{platform.url}/v2/pods/pod1" in called
    assert "DELETE" in called
    assert f"Bearer {KEY}" in called.split("], ")[1], "the key comes in by the other side"
    assert KEY not in called.split("], ")[0], "and is on no command line"
    ways = ["action" if "/action" in line else "delete" for line in called.splitlines()]
    assert ways == ["delete", "action"], "an end that was accepted and killed nothing is asked for in another way"
    assert "terminate" in called.splitlines()[1]


def test_a_marker_that_is_there_is_kept_by_an_image_without_python(pod: PodRun) -> None:
    folder = image_without_python(pod)
    stand_in(folder, "curl", 7)
    stand_in(folder, "wget", 0)
    (pod.folder / "result.json").write_text("{}")
    assert pod.run(PATH=folder) == 1
    assert (pod.folder / "result.json").read_text() == "{}"
    assert "/v2/pods/pod1/action" in Path(folder, "wget.calls").read_text()


def test_an_old_python_is_none(pod: PodRun) -> None:
    folder = image_without_python(pod)
    Path(folder, "python3").write_text("#!/bin/sh\nexit 1\n")
    Path(folder, "python3").chmod(0o755)
    stand_in(folder, "curl", 0)
    pod.run(PATH=folder)
    assert pod.marker["code"] == "E-NOPYTHON"
