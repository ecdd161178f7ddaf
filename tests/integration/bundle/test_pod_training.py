"""From the create body to the marker: a stock image with nothing but a Python trains and ends itself."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from containers.bundle import assemble
from messages.folder import Started
from tests.integration.bundle.api import Index, Platform
from tests.integration.bundle.pod import KEY, PodRun

TRAINS = (
    "import tinylib, pathlib, sys; import containers.training.refusal as own;"
    "print('trained with', tinylib.WORD, own.__file__); pathlib.Path('out', 'model').write_text(tinylib.WORD)"
)


def restart_elsewhere(pod: PodRun, attempt: int) -> None:
    """The same volume, another job folder: the next machine."""
    pod.folder = pod.volume / "jobs" / str(attempt)
    pod.folder.mkdir()


def test_a_bare_machine_prepares_trains_and_ends_itself(pod: PodRun, platform: Platform, index: Index) -> None:
    pod.fill()
    pod.spec(TRAINS, artifacts_required=["artifacts/model"])
    assert pod.run() == -signal.SIGKILL, pod.console
    assert pod.marker["outcome"] == "succeeded", (pod.marker, pod.log, pod.console)
    assert (pod.folder / "artifacts" / "model").read_text() == "tiny"
    assert [line for line in pod.log if line.startswith("trained with tiny") and "code.zip" in line]
    assert platform.count("delete") == 1
    assert platform.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert platform.headers[0]["User-Agent"].startswith("lastcall")
    assert index.requests
    assert not list(pod.home.rglob("scratch"))
    assert pod.read("ending.json")["accepted"] is True
    assert Started.model_validate(pod.read("started.json")).machine_id == "pod1"


def test_the_second_machine_finds_the_environment_and_asks_the_index_for_nothing(pod: PodRun, index: Index) -> None:
    pod.fill()
    pod.spec(TRAINS)
    pod.run()
    asked = len(index.requests)
    restart_elsewhere(pod, 2)
    pod.spec(TRAINS)
    pod.run(LASTCALL_JOB_FOLDER=pod.folder)
    assert pod.marker["outcome"] == "succeeded"
    assert len(index.requests) == asked
    assert [line for line in pod.log if "is there" in line]
    environments = [path.name for path in (pod.volume / "environments").iterdir()]
    assert len(environments) == 1
    assert not environments[0].startswith(".")


def test_an_image_that_has_everything_installs_nothing(pod: PodRun, index: Index) -> None:
    """An own image: its Python has the library already."""
    pod.fill()
    pod.spec(TRAINS)
    pod.run()
    (environment,) = (pod.volume / "environments").iterdir()
    asked = len(index.requests)
    image = pod.root / "image"
    environment.rename(image)
    restart_elsewhere(pod, 2)
    pod.spec(TRAINS)
    pod.run(LASTCALL_JOB_FOLDER=pod.folder, PATH=f"{image}/bin:/usr/bin:/bin")
    assert pod.marker["outcome"] == "succeeded", (pod.marker, pod.log)
    assert len(index.requests) == asked, pod.log
    assert list((pod.volume / "environments").iterdir()) == []


def test_a_library_that_cannot_be_had_is_told_with_the_installers_words(pod: PodRun, index: Index) -> None:
    pod.bundle = assemble(b"nosuchthing==1.0 \\\n    --hash=sha256:" + b"0" * 64 + b"\n")
    pod.fill()
    pod.spec(TRAINS)
    pod.run()
    assert (pod.marker["outcome"], pod.marker["code"]) == ("failed", "E-PREPARE")
    assert "nosuchthing" in pod.marker["detail"]
    assert list((pod.volume / "environments").iterdir()) == []


def test_a_file_of_the_bundle_that_was_cut_short_is_not_run(pod: PodRun) -> None:
    pod.fill()
    pod.spec(TRAINS)
    (pod.volume / pod.bundle.prefix / "code.zip").write_bytes(b"PK")
    pod.run()
    assert (pod.marker["code"], "code.zip" in pod.marker["detail"]) == ("E-PREPARE", True)


def test_the_work_gets_no_key_and_finds_none(pod: PodRun, tmp_path: Path) -> None:
    """Its environment, the wrapper's as the kernel shows it, and the wrapper's descriptors."""
    pod.fill()
    script = (
        "import os, json\n"
        "parent = os.getppid()\n"
        "def read(path):\n"
        "    try:\n"
        "        return open(path, 'rb').read().decode('latin-1')\n"
        "    except OSError as error:\n"
        "        return type(error).__name__\n"
        "print(json.dumps([dict(os.environ), read(f'/proc/{parent}/environ'), read(f'/proc/{parent}/cmdline')]))\n"
    )
    pod.spec(script)
    pod.run()
    assert pod.marker["outcome"] == "succeeded"
    own, of_the_wrapper, command = json.loads(next(line for line in pod.log if line.startswith("[{")))
    assert not [name for name in own if name.startswith(("RUNPOD_", "PIP_"))]
    assert "wrapper.pyz" in command
    assert KEY not in of_the_wrapper
    for path in (path for path in pod.volume.rglob("*") if path.is_file()):
        assert KEY.encode() not in path.read_bytes(), path
    assert KEY not in pod.console
