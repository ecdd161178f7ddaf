"""Exit → gone: a real daemon with RunPod's own timings, real pods as processes on the emulated platform.

The work is over when the wrapper's result marker lies on the volume; the pod is gone when the platform stops billing
it. One arm lets pods end themselves; in the other every call with a pod's own key is refused, and the daemon has to.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any, Final

from tests.emulators.runpod.launch import Emulator
from tests.support.runpod_house import OWN_IMAGE, VOLUME, RunPodHouse, own_image, platform_settings

AT_ONCE: Final = 2
PATIENCE_S: Final = 600.0
LOOK_S: Final = 0.5
BAR_ITSELF_S: Final = 1.0
BAR_DAEMON_S: Final = 5.0
"""One list or marker interval of RunPod (design budget)."""
ROWS: Final = "".join(f"{i % 60},{i * 37 % 100},{int(i * 37 % 100 < 40)}\n" for i in range(400))
CSV: Final = f"age,usage,churn\n{ROWS}".encode()


class PatientHouse(RunPodHouse):
    """A daemon that believes RunPod as slowly as RunPod has to be believed."""

    @property
    def environment(self) -> dict[str, str]:
        """Without the short timings of the tests. Raises KeyError where these are switched on by another name now."""
        found = dict(super().environment)
        del found["QUICK_CLOUDS"]
        return found


def measure(pods: int, *, key_refused: bool) -> dict[str, Any]:
    """Return seconds from the end of the work to the end of billing, one for each pod, and who ended it."""
    with tempfile.TemporaryDirectory(prefix="lc-", dir="/tmp") as folder:
        root = Path(folder)
        chosen = platform_settings(own_image(root / "image"))
        faults = {"pod.key_403": True} if key_refused else {}
        with Emulator(root / "em", settings=chosen, faults=faults) as emulator:
            house = PatientHouse(root, emulator, OWN_IMAGE)
            house.start(LASTCALL_LIMITS_MAX_MACHINES="64", LASTCALL_LIMITS_MAX_MACHINES_PER_USER="64")
            try:
                return _spans(house, pods)
            finally:
                house.stop()


def _spans(house: RunPodHouse, pods: int) -> dict[str, Any]:
    dataset = house.upload(CSV)
    give_up = time.monotonic() + PATIENCE_S
    ordered = 0
    while True:
        seen = house.seen()
        ended = [life for life in seen["history"] if life["ended_at"] is not None]
        if len(ended) >= pods:
            break
        if time.monotonic() > give_up:
            raise RuntimeError(f"only {len(ended)} of {pods} pods ended: {house.log.read_text()[-800:]}")
        if ordered < pods and ordered - len(ended) < AT_ONCE:
            house.train("bench", dataset=dataset)
            ordered += 1
        time.sleep(LOOK_S)
    over = _markers(house.emulator.root / "volumes" / VOLUME)
    return {
        "spans_s": sorted(round(life["ended_at"] - over[_folder(life["name"])], 3) for life in ended),
        "ended_by": sorted(life["ended_by"] for life in ended),
    }


def _folder(name: str) -> str:
    """Return ``<job>/<attempt>`` of a machine's name."""
    _, _, job, attempt, *_ = name.split("-")
    return f"job_{job}/{int(attempt[1:])}"


def _markers(volume: Path) -> dict[str, float]:
    """Return when each attempt's marker came to lie on the volume."""
    found = volume.glob("jobs/*/*/*/result.json")
    return {f"{path.parent.parent.name}/{int(path.parent.name)}": path.stat().st_mtime for path in found}
