"""Pods as real processes: what they find, how they end, what they leave."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.emulators.common.launch import CHECKOUT
from tests.emulators.runpod.launch import Emulator
from tests.integration.runpod_emulator.pods_kit import FAST, Pods
from tests.support import processes
from tests.support.patience import wait_until

SEEN = """
import json, os, sys
try:
    import actors
    ours = True
except ImportError:
    ours = False
print(json.dumps({"env": dict(os.environ), "prefix": sys.prefix, "ours": ours, "cwd": os.getcwd(),
                  "home": os.listdir(os.environ["HOME"]), "path": sys.path}))
"""


def test_a_pod_finds_the_base_interpreter_and_nothing_of_the_checkout(pods: Pods) -> None:
    pod_id = pods.start(f"python3 -c '{SEEN}' >$WORK/seen.tmp && mv $WORK/seen.tmp $WORK/seen; sleep 60")
    seen = json.loads(pods.file("seen"))
    env = seen["env"]
    assert seen["prefix"] == sys.base_prefix
    assert seen["ours"] is False
    assert "PYTHONPATH" not in env
    assert "VIRTUAL_ENV" not in env
    assert str(CHECKOUT) not in json.dumps({**env, "PWD": ""})
    assert seen["home"] == []
    assert env["HOME"].startswith(str(pods.emulator.root))
    assert seen["cwd"].startswith(str(pods.emulator.root / "pods" / pod_id))
    assert env["RUNPOD_POD_ID"] == pod_id
    assert (env["RUNPOD_VOLUME_ID"], env["RUNPOD_DC_ID"]) == ("vol1", "EU-RO-1")


def test_an_ended_program_starts_again_with_an_empty_disk_and_the_same_volume(pods: Pods) -> None:
    pod_id = pods.start("ls $HOME >>$WORK/homes; echo start >>$WORK/starts; touch $HOME/mine; exit 3")
    wait_until(lambda: pods.file("starts").count("start") >= 3, "three starts")
    assert pods.get(pod_id)["status"] == "RUNNING"
    assert (pods.volume / "homes").read_text() == ""
    life = pods.emulator.control()["history"][0]
    assert [code for _, code in life["exits"]][:2] == [3, 3]


TREE = """
setsid sh -c 'echo $$ >>$WORK/pids; sleep 100' &
(sleep 100 & echo $! >>$WORK/pids) &
env -i sh -c 'echo $$ >>'$WORK'/pids; trap "" TERM; sleep 100' &
echo $$ >>$WORK/pids
sleep 100
"""


@pytest.mark.parametrize("way", ["delete", "terminate", "stop", "emulator"])
def test_a_pod_ends_whole(pods: Pods, way: str) -> None:
    pod_id = pods.start(TREE)
    wait_until(lambda: len(pods.file("pids").split()) == 4, "all have started")
    pids = pods.file("pids").split()
    assert all(Path(f"/proc/{pid}").exists() for pid in pids)
    if way == "delete":
        assert pods.call("DELETE", f"/pods/{pod_id}")[0] == 204
    elif way == "emulator":
        pods.emulator.close()
    else:
        pods.call("POST", f"/pods/{pod_id}/action", {"action": way})
    wait_until(lambda: not processes.working_in(pods.emulator.root / "pods"), "all have ended")
    wait_until(lambda: not any(_lives(pid) for pid in pids), "those elsewhere too")
    if way == "delete":
        wait_until(lambda: not (pods.emulator.root / "pods" / pod_id).exists(), "its folder is gone")
        assert not pods.workspace.is_symlink()
    assert pods.volume.is_dir()


def _lives(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


END_MYSELF = """
import os, time, urllib.request
request = urllib.request.Request(os.environ["API"] + "/pods/" + os.environ["RUNPOD_POD_ID"], method="DELETE",
    headers={"authorization": "Bearer " + os.environ["RUNPOD_API_KEY"], "user-agent": "wrapper/1"})
with urllib.request.urlopen(request, timeout=10) as answer:
    with open(os.environ["WORK"] + "/answer", "w") as file:
        file.write(str(answer.status))
time.sleep(100)
"""


def test_a_pod_ends_itself_with_its_own_key_and_still_reads_the_answer(pods: Pods) -> None:
    env = {"WORK": str(pods.workspace), "API": pods.emulator.urls["rest"], "SOURCE": END_MYSELF}
    pods.start('exec python3 -c "$SOURCE"', env=env)
    assert pods.file("answer") == "204"
    wait_until(lambda: not processes.working_in(pods.emulator.root / "pods"), "it has ended")
    shown = pods.emulator.control()
    assert (shown["history"][0]["ended_by"], shown["history"][0]["how"]) == ("pod", "pods.delete")
    assert shown["alive"] == []


def test_sigterm_comes_before_the_end(pods: Pods) -> None:
    pod_id = pods.start("trap 'echo told >$WORK/told; exit 0' TERM; echo up >$WORK/up; while :; do sleep 0.05; done")
    pods.file("up")
    pods.call("POST", f"/pods/{pod_id}/action", {"action": "stop"})
    assert pods.file("told") == "told\n"
    assert pods.get(pod_id)["status"] == "EXITED"


@pytest.mark.parametrize("path", ["/workspace", "{root}/volumes/other", "{root}/pods", "{root}", "{root}/../out"])
def test_a_mount_outside_the_emulators_own_folder_is_an_error_of_the_pod(pods: Pods, path: str) -> None:
    mount = path.format(root=pods.emulator.root)
    pod_id = pods.start("true", mounts={"network": [{"volumeId": "vol1", "path": mount}]})
    wait_until(lambda: pods.get(pod_id)["status"] == "ERROR", "the pod is broken")
    assert not (pods.emulator.root.parent / "out").exists()


def test_a_command_that_is_not_there_is_tried_again_and_told_in_the_log(pods: Pods) -> None:
    pods.start("true", entrypoint=["no-such-program"], cmd=[])
    wait_until(lambda: len(pods.emulator.control()["history"][0]["exits"]) >= 2, "two tries")
    assert pods.emulator.control()["history"][0]["exits"][0][1] == 127


def test_images_bring_what_they_hold_and_unknown_ones_do_not_start(tmp_path: Path) -> None:
    images = {
        "with-libraries": {"env": {"PYTHONPATH": "/opt/site"}, "command": ["sh", "-c", "echo $PYTHONPATH; sleep 9"]}
    }
    with Emulator(tmp_path / "p", settings={**FAST, "images": images}) as emulator:
        pods = Pods(emulator)
        known = pods.start("echo $PYTHONPATH >$WORK/path; sleep 60", image="with-libraries")
        unknown = pods.start("true", image="other")
        assert pods.file("path") == "/opt/site\n"
        assert pods.get(known)["status"] == "RUNNING"
        assert pods.get(unknown)["status"] == "STARTING"


def test_a_flood_on_the_console_is_bounded(pods: Pods) -> None:
    pod_id = pods.start("head -c 40000000 /dev/zero | tr '\\0' 'x'; echo done >$WORK/done; sleep 60")
    pods.file("done")
    console = pods.emulator.root / "pods" / pod_id / "console"
    wait_until(lambda: console.stat().st_size < 17_000_000, "it is cut")


def test_a_pods_own_disk_outlives_a_stop(pods: Pods) -> None:
    mounts = {"persistent": {"size": 10, "path": str(pods.emulator.root / "own")}}
    pod_id = pods.start(f"echo again >>{pods.emulator.root}/own/starts; sleep 60", mounts=mounts)
    starts = pods.emulator.root / "disks" / pod_id / "starts"
    wait_until(lambda: starts.exists(), "the first start")
    pods.call("POST", f"/pods/{pod_id}/action", {"action": "stop"})
    wait_until(lambda: not processes.working_in(pods.emulator.root / "pods"), "stopped")
    pods.call("POST", f"/pods/{pod_id}/action", {"action": "start"})
    wait_until(lambda: starts.read_text().count("again") == 2, "the second start")


def test_two_emulators_with_the_same_ids_do_not_end_each_others_pods(tmp_path: Path) -> None:
    with Emulator(tmp_path / "a", settings=FAST, seed=1) as one, Emulator(tmp_path / "b", settings=FAST, seed=1) as two:
        first, second = Pods(one), Pods(two)
        a, b = (pods.start("echo $$ >$WORK/pid; sleep 60") for pods in (first, second))
        assert a == b
        first.file("pid")
        pid = second.file("pid").strip()
        first.call("DELETE", f"/pods/{a}")
        wait_until(lambda: not processes.working_in(one.root / "pods"), "the first has ended")
        assert _lives(pid)
        assert second.get(b)["status"] == "RUNNING"


def test_the_program_none_runs_nothing(tmp_path: Path) -> None:
    with Emulator(tmp_path / "p", settings=FAST, program="none") as emulator:
        pods = Pods(emulator)
        pod_id = pods.start("echo >$WORK/ran", mounts={"network": [{"volumeId": "vol1", "path": "/anywhere"}]})
        wait_until(lambda: pods.get(pod_id)["status"] == "RUNNING", "it runs")
        assert processes.working_in(emulator.root / "pods") == {}
        assert [entry.name for entry in emulator.root.iterdir()] == ["volumes"]
