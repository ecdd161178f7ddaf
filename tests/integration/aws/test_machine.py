"""A job on an emulated instance that really runs: user-data, wrapper, S3 job folder, its own end (design.md 7)."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from providers.http import AiohttpTransport
from providers.interface import NotFound
from tests.emulators.aws.launch import Emulator
from tests.integration.aws.kit import FAST, House
from tests.support.providers.subjects import chunks

IMAGE = "me/training:1"
FOREVER = "echo working; sleep 600"
COUNTS = """
keep() { echo $n > new && mv new $LASTCALL_CHECKPOINT_FILE; }
n=$(cat $LASTCALL_CHECKPOINT_FILE 2>/dev/null || echo 0)
echo from $n
trap 'keep; echo stopped at $n; exit 143' TERM
while [ $n -lt %d ]; do n=$((n + 1)); [ $((n %% 5)) != 0 ] || keep; sleep 0.05; done
"""
"""Counts, keeps every fifth number, and goes on from what is kept."""


async def running(house: House, request: Any) -> None:
    """Wait until the work runs."""

    async def look() -> bool | None:
        try:
            beat = json.loads(await house.read(f"{request.folder}/heartbeat.json"))
        except NotFound:
            return None
        return True if beat["stage"] == "running" else None

    await house.until(look, "work")


async def test_a_job_runs_leaves_its_result_and_the_instance_ends_itself(house: House) -> None:
    await house.storage.put("datasets/d1", chunks(b"a,b\n1,2\n"))
    request = await house.order("cat data.csv; cp data.csv out/copy.csv; echo done", inputs={"data.csv": "datasets/d1"})
    machine = await house.training.launch(request)
    result = await house.result(request)
    assert result["outcome"] == "succeeded", json.dumps(result)
    assert [entry["name"] for entry in result["artifacts"]] == ["artifacts/copy.csv"]
    assert await house.read(f"{request.folder}/artifacts/copy.csv") == b"a,b\n1,2\n"
    started = json.loads(await house.read(f"{request.folder}/started.json"))
    assert started["machine_id"] == machine.id
    await house.ended_by_itself(machine)
    await house.gone(machine)
    said = [line.text async for line in house.training.kept_lines(request.name)]
    assert [text for text in said if "done" in text] == ["stdout: done"]


async def test_an_attempt_that_was_started_before_runs_nothing_and_says_so(house: House) -> None:
    request = await house.order(FOREVER)
    started = {"attempt": 1, "nonce": "another", "started_at": "2026-11-23T14:00:00Z", "machine": request.name}
    await house.storage.put(f"{request.folder}/started.json", chunks(json.dumps(started).encode()))
    machine = await house.training.launch(request)
    assert (await house.result(request))["code"] == "E-RESTARTED"
    await house.ended_by_itself(machine)


@pytest.mark.parametrize("taken", ["before it starts", "while it works"])
async def test_an_attempt_that_another_machine_runs_is_left_to_it_without_a_word(house: House, taken: str) -> None:
    """Fault 17: a marker would end healthy work."""
    request = await house.order(FOREVER)
    started = {"attempt": 1, "nonce": "another", "started_at": "2026-11-23T14:00:00Z", "machine_id": "i-0another"}

    async def take() -> None:
        await house.storage.put(f"{request.folder}/started.json", chunks(json.dumps(started).encode()))

    if taken == "before it starts":
        await take()
    machine = await house.training.launch(request)
    if taken == "while it works":
        await running(house, request)
        await take()
    await house.ended_by_itself(machine)
    with pytest.raises(NotFound):
        await house.read(f"{request.folder}/result.json")


async def test_spot_notice_stops_the_work_leaves_the_marker_and_ends_the_instance(house: House) -> None:
    """Fault 24."""
    request = await house.order(FOREVER)
    assert request.offer.spot
    machine = await house.training.launch(request)
    await running(house, request)
    house.emulator.control({"faults": {"spot.kill": "notice"}})
    result = await house.result(request)
    assert (result["outcome"], result["code"]) == ("interrupted", "E-INTERRUPTED"), json.dumps(result)
    await house.ended_by_itself(machine)


@pytest.mark.parametrize("taken", ["with notice", "at once", "without a word"])
async def test_what_a_taken_instance_kept_in_the_bucket_the_next_one_goes_on_from(house: House, taken: str) -> None:
    """Fault 24."""
    first = await house.order(COUNTS % 100_000)
    machine = await house.training.launch(first)
    manifest = f"{first.folder}/checkpoint.json"

    async def kept() -> Any:
        try:
            return json.loads(await house.read(manifest))
        except NotFound:
            return None

    at_least = int(await house.read(f"{first.folder}/{(await house.until(kept, 'a checkpoint'))['files'][0]['name']}"))
    fault = {"with notice": "notice", "at once": "sudden"}.get(taken)
    house.emulator.control({"faults": {"spot.kill": fault} if fault else {"instance.dies": True}})
    await house.ended_by_itself(machine)
    if taken == "with notice":
        assert (await house.result(first))["code"] == "E-INTERRUPTED"
        (at_least,) = [int(line.rpartition(" ")[2]) for line in await lines(house, first) if "stopped at" in line]
    second = await house.order(COUNTS % 1, 2, resume=(manifest,))
    await house.training.launch(second)
    assert (await house.result(second))["outcome"] == "succeeded"
    said = await lines(house, second)
    assert any(line.startswith("going on from the checkpoint of attempt 1") for line in said), said
    (begun,) = [int(line.rpartition(" ")[2]) for line in said if line.startswith("from ")]
    assert begun == at_least if taken == "with notice" else begun >= at_least


async def lines(house: House, request: Any) -> list[str]:
    """Return the lines of the log in the job folder."""
    found: list[str] = []
    with suppress(NotFound):
        for number in range(1, 100):
            data = await house.read(f"{request.folder}/log/{number:06d}.ndjson")
            found += [json.loads(line)["text"] for line in data.splitlines()]
    return found


async def test_a_stop_is_read_from_the_bucket(house: House) -> None:
    request = await house.order(FOREVER)
    machine = await house.training.launch(request)
    await running(house, request)
    soft = request.soft_deadline.isoformat()
    control = {"seq": 1001, "soft_deadline": soft, "stop_requested": True}
    await house.storage.put(f"{request.folder}/control.json", chunks(json.dumps(control).encode()))
    assert (await house.result(request))["outcome"] == "cancelled"
    await house.ended_by_itself(machine)


@pytest.mark.parametrize("emulator", [{"minute_s": 0.4}], indirect=True)
async def test_the_hard_deadline_ends_an_instance_whose_wrapper_never_came(house: House) -> None:
    """The timer stands before anything is fetched, and no daemon is asked. Its minutes are short here."""
    request = await house.order(FOREVER)
    wrong = {**request.environment, "LASTCALL_WRAPPER_SHA256": "0" * 64}
    machine = await house.training.launch(request.model_copy(update={"environment": wrong}))
    await house.ended_by_itself(machine)
    await house.gone(machine)


async def test_an_instance_that_boots_again_powers_itself_off(house: House) -> None:
    request = await house.order(FOREVER)
    machine = await house.training.launch(request)
    await running(house, request)
    house.emulator.control({"faults": {"instance.reboot": True}})
    await house.ended_by_itself(machine)


async def test_an_input_that_is_not_there_is_said(house: House) -> None:
    request = await house.order("true", inputs={"data.csv": "datasets/missing"})
    request = request.model_copy(update={"environment": {**request.environment, "LASTCALL_FOLDER_WAIT_S": "1"}})
    machine = await house.training.launch(request)
    result = await house.result(request)
    assert (result["code"], "datasets/missing" in result["detail"]) == ("E-FOLDER", True), json.dumps(result)
    await house.ended_by_itself(machine)


def image(folder: Path) -> dict[str, object]:
    """Make an image with a program of its own; return how the emulated AWS knows it."""
    folder.mkdir()
    (folder / "brought").write_text("#!/bin/sh\necho by the image\n")
    (folder / "brought").chmod(0o755)
    return {"env": {"PATH": f"{folder}:{os.environ['PATH']}"}}


@asynccontextmanager
async def docked(root: Path, containers: dict[str, object] | None) -> AsyncIterator[House]:
    """A house whose jobs run in an image; ``None``: its instances have no Docker."""
    with Emulator(root / "aws", settings={**FAST, "containers": containers}) as emulator:
        async with AiohttpTransport("Lastcall tests") as transport:
            made = House(emulator, transport, root / "near", image=IMAGE)
            await made.open()
            try:
                yield made
            finally:
                await made.close()


async def test_a_job_runs_in_the_configured_image_and_the_instance_ends_itself(tmp_path: Path) -> None:
    async with docked(tmp_path, {IMAGE: image(tmp_path / "image")}) as house:
        request = await house.order("brought")
        machine = await house.training.launch(request)
        result = await house.result(request)
        assert result["outcome"] == "succeeded", json.dumps(result)
        await house.ended_by_itself(machine)
        await house.gone(machine)
        said = [line.text async for line in house.training.kept_lines(request.name)]
        assert [text for text in said if "by the image" in text] == ["stdout: by the image"]


async def test_what_a_container_itself_says_is_in_cloudwatch_beside_the_works_own_lines(tmp_path: Path) -> None:
    async with docked(tmp_path, {IMAGE: image(tmp_path / "image")}) as house:
        request = await house.order("brought")
        wrong = {**request.environment, "LASTCALL_MAX_RUNTIME_S": "never"}
        machine = await house.training.launch(request.model_copy(update={"environment": wrong}))
        await house.ended_by_itself(machine)
        said = [line.text async for line in house.training.kept_lines(f"{request.name}/docker")]
        assert any("LASTCALL_MAX_RUNTIME_S" in text for text in said), said


@pytest.mark.parametrize(
    ("containers", "words"),
    [({"another:1": {}}, f"manifest for ['{IMAGE}'] not found"), (None, "docker: not found")],
)
async def test_an_instance_that_cannot_run_the_image_ends_itself_and_its_console_says_why(
    tmp_path: Path, containers: dict[str, object] | None, words: str
) -> None:
    async with docked(tmp_path, containers) as house:
        request = await house.order(FOREVER)
        machine = await house.training.launch(request)
        await house.ended_by_itself(machine)
        console = "".join([chunk.text async for chunk in house.training.logs(machine.id)])
        assert words in console
        with pytest.raises(NotFound):
            await house.read(f"{request.folder}/started.json")
