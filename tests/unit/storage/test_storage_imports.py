"""Older models: looked at, confirmed by what was typed, stored like any other, and nothing left of what was refused."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any

import pytest

from actors.storage.importing import PROGRAM
from actors.storage.models import MANIFEST, read_manifest
from actors.storage.staging import IMPORTED_FILES
from messages.admin import (
    AbandonUpload,
    BeginImport,
    FindModel,
    ImportLook,
    ImportModel,
    ListModels,
    LookAtImport,
    RemoveModel,
    UploadGrant,
)
from messages.errors import Refusal
from messages.ids import CommandId
from messages.jobs import Requester
from messages.storage import ModelInfo
from providers.interface import Unavailable
from tests.unit.storage.kit import ANN, BOB, House, Result

SHA = hashlib.sha256(b"pickle").hexdigest()
LOOKED: dict[str, Any] = {
    "files": [{"name": "model.pkl", "size_bytes": 6, "sha256": SHA}],
    "target": "is churn?",
    "estimators": ["Ridge"],
    "names": ["sklearn.linear_model._ridge.Ridge"],
    "versions": ["1.5.2"],
}
MADE: dict[str, Any] = {
    "model_type": "ridge",
    "task": "regression",
    "target_column": "is churn?",
    "feature_columns": ["a", "b"],
    "metrics": {"reported_r2": 0.5},
    "rows": 64,
    "walls": ["limits", "hook"],
}
NAME = f"is-churn-{SHA[:3]}"


class Program:
    """Stands for the importing program: answers, and leaves files beside the package."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.looked: dict[str, Any] = LOOKED
        self.made: dict[str, Any] | None = MADE
        self.refusal: tuple[str, str] | None = None
        self.leaves: tuple[str, ...] = IMPORTED_FILES
        self.raw: bytes | None = None
        self.requests: list[dict[str, Any]] = []

    def __call__(self, argv: list[str]) -> Result:
        assert argv[1:3] == ["-m", PROGRAM]
        request = json.loads(self.house.store.objects[argv[3].removeprefix("mem:")][0])
        self.requests.append(request)
        assert request["package"].removeprefix("mem:") in self.house.store.objects
        if self.raw is not None:
            return Result(stdout=self.raw)
        if self.refusal is not None:
            said: dict[str, Any] = {"ok": False, "code": self.refusal[0], "detail": self.refusal[1]}
        else:
            said = {"ok": True, "looked": self.looked}
            if "out" in request:
                said["made"] = self.made
                for name in self.leaves:
                    key = f"{request['out']}{name}".removeprefix("mem:")
                    self.house.store.objects[key] = (f"made {name}".encode(), self.house.clock.now())
        return Result(stdout=json.dumps(said).encode() + b"\n")


@pytest.fixture
def program(house: House) -> Program:
    house.inspection.answer = Program(house)
    return house.inspection.answer


async def granted(
    house: House, who: Requester = ANN, command: CommandId | None = None
) -> tuple[CommandId, UploadGrant]:
    """Stream a package, as the gateway does."""
    command = command or house.command()
    grant = await house.ask(BeginImport(command_id=command, requester=who))
    await house.store.write(grant.key, b"package")
    return command, grant


async def imported(house: House, confirm: str = NAME, command: CommandId | None = None, **more: Any) -> ModelInfo:
    command, grant = await granted(house, command=command)
    msg = ImportModel(command_id=command, requester=ANN, grant=grant, confirm=confirm, **more)
    info = await house.ask(msg)
    assert isinstance(info, ModelInfo)
    return info


def left(house: House) -> list[str]:
    """Return every object of a model or of an import."""
    return [key for key in house.store.objects if key.startswith("models/")]


async def test_looking_tells_what_to_type_and_keeps_nothing(house: House, program: Program) -> None:
    _, grant = await granted(house)
    look = await house.ask(LookAtImport(requester=ANN, grant=grant))
    assert isinstance(look, ImportLook)
    assert (look.name, look.confirm, look.sha256) == (NAME, (NAME, SHA[:8]), SHA)
    assert (look.estimators, look.made_with) == (("Ridge",), ("1.5.2",))
    assert "out" not in program.requests[0]
    assert left(house) == []
    _, grant = await granted(house)
    named = await house.ask(LookAtImport(requester=ANN, grant=grant, name="churn-old"))
    assert named.confirm == ("churn-old", SHA[:8])


@pytest.mark.parametrize(("confirm", "name"), [(NAME, None), (SHA[:8], None), (" old ", "old")])
async def test_a_confirmed_model_is_stored_like_any_other(
    house: House, program: Program, confirm: str, name: str | None
) -> None:
    info = await imported(house, confirm, name=name, sha256=SHA)
    assert (info.job_id, info.dataset_id, info.name) == (None, None, name or NAME)
    assert (info.model_type, info.task, info.target, info.features) == ("ridge", "regression", "is churn?", ("a", "b"))
    assert info.imported is not None
    assert (info.imported.made_with, info.imported.rows, info.imported.walls) == (("1.5.2",), 64, ("limits", "hook"))
    assert program.requests[-1]["sha256"] == SHA
    assert sorted(left(house)) == sorted(f"{info.key}/{name}" for name in (*IMPORTED_FILES, MANIFEST))
    assert await read_manifest(house.store, info.key) == info
    assert await house.ask(ListModels(requester=ANN)) == (info,)
    assert await house.ask(FindModel(requester=ANN, ref=info.name)) == info
    assert [a.success for a in house.journal.audited() if a.what == "model.import"] == [True]
    await house.ask(RemoveModel(command_id=house.command(), requester=ANN, ref=info.id))
    assert left(house) == []


@pytest.mark.parametrize(
    ("confirm", "sha256"),
    [("yes", None), ("", None), (SHA[:7], None), (SHA, None), ("1.5.2", None), (NAME, "0" * 64)],
)
async def test_anything_else_that_is_typed_loads_nothing(
    house: House, program: Program, confirm: str, sha256: str | None
) -> None:
    with pytest.raises(Refusal) as caught:
        await imported(house, confirm, sha256=sha256)
    assert caught.value.code == "E-IMPORT-CONFIRM"
    assert all("out" not in request for request in program.requests)
    assert left(house) == []
    entry = house.journal.audited()[-1]
    assert (entry.what, entry.success, entry.code) == ("model.import", False, "E-IMPORT-CONFIRM")


async def test_the_same_command_again_gives_the_same_model_and_loads_nothing(house: House, program: Program) -> None:
    command = house.command()
    info = await imported(house, command=command)
    runs = len(program.requests)
    assert await imported(house, command=command) == info
    assert len(program.requests) == runs
    await house.ask(RemoveModel(command_id=house.command(), requester=ANN, ref=info.id))
    with pytest.raises(Refusal) as caught:
        await imported(house, command=command)
    assert caught.value.code == "E-NOTFOUND"


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (("E-IMPORT-UNSAFE", "it names os.system"), "E-IMPORT-UNSAFE"),
        (("E-CSV-SCHEMA", "no such column"), "E-CSV-SCHEMA"),
        (("E-OOM", "of another program"), "E-INTERNAL"),
        (("E-IMPORT-MADE-UP", "x"), "E-INTERNAL"),
    ],
)
async def test_what_the_program_refuses_is_told_audited_and_forgotten(
    house: House, program: Program, said: tuple[str, str], code: str
) -> None:
    program.refusal = said
    _, grant = await granted(house)
    with pytest.raises(Refusal) as caught:
        await house.ask(LookAtImport(requester=ANN, grant=grant))
    assert caught.value.code == code
    entry = house.journal.audited()[-1]
    assert (entry.what, entry.success, entry.code) == ("model.import.look", False, code)
    assert left(house) == []


@pytest.mark.parametrize("raw", [b"", b"no json\n", b"[]", b'{"ok": true}'])
async def test_a_program_that_breaks_is_our_fault_and_leaves_nothing(
    house: House, program: Program, raw: bytes
) -> None:
    program.raw = raw
    with pytest.raises(Refusal) as caught:
        await imported(house)
    assert caught.value.code == "E-INTERNAL"
    assert left(house) == []


async def test_a_bundle_that_is_not_whole_leaves_no_model(house: House, program: Program) -> None:
    cases: tuple[tuple[tuple[str, ...], Any], ...] = ((IMPORTED_FILES[:-1], MADE), (IMPORTED_FILES, None))
    for program.leaves, program.made in cases:
        with pytest.raises(Refusal) as caught:
            await imported(house)
        assert caught.value.code == "E-INTERNAL"
        assert left(house) == []
        assert await house.ask(ListModels(requester=ANN)) == ()


async def test_a_program_that_takes_too_long_or_cannot_start_is_told(house: House, program: Program) -> None:
    for raised, code in ((TimeoutError(), "E-IMPORT-LIMIT"), (OSError("no process"), "E-BUSY")):

        async def fail(error: Exception = raised) -> None:
            await asyncio.sleep(0)
            raise error

        house.inspection.during = fail
        with pytest.raises(Refusal) as caught:
            await imported(house)
        assert caught.value.code == code
        assert left(house) == []


async def test_a_package_that_never_came_or_is_anothers_is_refused(house: House, program: Program) -> None:
    command = house.command()
    grant = await house.ask(BeginImport(command_id=command, requester=ANN))
    with pytest.raises(Refusal) as caught:
        await house.ask(LookAtImport(requester=ANN, grant=grant))
    assert caught.value.code == "E-BADREQUEST"
    _, anns = await granted(house)
    for msg in (
        LookAtImport(requester=BOB, grant=anns),
        ImportModel(command_id=house.command(), requester=BOB, grant=anns, confirm=NAME),
    ):
        with pytest.raises(Refusal) as caught:
            await house.ask(msg)
        assert caught.value.code == "E-KEY"
    assert left(house) == [anns.key]
    await house.ask(AbandonUpload(requester=ANN, grant=anns))
    assert left(house) == []
    assert program.requests == []


async def test_a_store_that_fails_half_way_leaves_no_half_model(
    house: House, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = house.store.copy

    async def some(source: str, target: str) -> Any:
        if target.endswith(IMPORTED_FILES[-1]):
            raise Unavailable("not now")
        return await copy(source, target)

    monkeypatch.setattr(house.store, "copy", some)
    with pytest.raises(Unavailable):
        await imported(house)
    assert left(house) == []
    assert program.made is not None
