"""The job bundle: the same bytes for the same sources, complete, and put into storage where it is missing."""

from __future__ import annotations

import ast
import asyncio
import hashlib
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from containers import bundle as bundles
from containers.bundle import LIBRARIES, assemble, build, code_sources
from containers.job import build as building
from lastcall.bundles import CHUNK_BYTES, BundleStore, bundle_program
from messages.storage import ObjectInfo
from providers.fake.cloud import FakeCloud
from providers.fake.settings import FakeSettings
from providers.fake.storage import FakeStorage
from providers.interface import Unavailable
from tests.support.providers.clocks import ManualClock

ROOT = Path(__file__).parents[3]


def storage() -> FakeStorage:
    return FakeStorage(FakeCloud(FakeSettings(), ManualClock()))


def test_the_same_sources_give_the_same_bundle() -> None:
    one, other = build(), build()
    assert one == other
    assert one.prefix == f"bundles/{one.digest[:32]}"


@pytest.mark.parametrize("name", ["wrapper.pyz", "code.zip", "requirements.txt", "prepare.py"])
def test_every_file_is_named_by_the_digest(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first = build()
    monkeypatch.setattr(building, "_MAIN", b"# another\n") if name == "wrapper.pyz" else None
    monkeypatch.setattr(bundles, "code_sources", lambda: {"a.py": b""}) if name == "code.zip" else None
    if name == "prepare.py":
        (tmp_path / "job").mkdir()
        (tmp_path / "job" / "prepare.py").write_text("")
        monkeypatch.setattr(bundles, "_PACKAGE", tmp_path)
        monkeypatch.setattr(bundles, "code_sources", lambda: code_sources())
    other = assemble(b"") if name == "requirements.txt" else build()
    assert other.digest != first.digest
    assert other.files[name] != first.files[name]


def test_the_manifest_tells_size_and_digest_of_every_other_file_and_comes_last() -> None:
    made = build()
    assert list(made.files)[-1] == "manifest.json"
    manifest = json.loads(made.files["manifest.json"])
    assert {entry["name"] for entry in manifest["files"]} == set(made.files) - {"manifest.json"}
    for entry in manifest["files"]:
        data = made.files[entry["name"]]
        assert (entry["size_bytes"], entry["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert made.digest == hashlib.sha256(made.files["manifest.json"]).hexdigest()
    assert made.wrapper_sha256 == hashlib.sha256(made.files["wrapper.pyz"]).hexdigest()


def test_the_requirements_are_the_locked_ones_also_where_they_are_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert build().files["requirements.txt"] == (ROOT / "requirements" / "job.txt").read_bytes()
    monkeypatch.setattr(bundles, "_LOCKED", (tmp_path,))
    with pytest.raises(FileNotFoundError, match=r"job\.txt"):
        build()


def test_the_code_needs_nothing_of_ours_that_is_not_in_it(tmp_path: Path) -> None:
    """No pydantic, no messages: the program starts from the archive alone."""
    (tmp_path / "code.zip").write_bytes(build().files["code.zip"])
    code = (
        "import sys; sys.path.insert(0, 'code.zip'); import pkgutil, importlib;"
        "import containers.training as t, containers.prediction as p;"
        "[importlib.import_module(m.name) for where in (t, p)"
        " for m in pkgutil.walk_packages(where.__path__, where.__name__ + '.') if not m.name.endswith('__main__')];"
        "found = {m.split('.')[0] for m in sys.modules};"
        "print(sorted(found & {'messages', 'providers', 'actors', 'lastcall', 'pydantic'}), t.__file__)"
    )
    ran = subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("[] code.zip")
    with zipfile.ZipFile(io.BytesIO(build().files["code.zip"])) as archive:
        assert archive.namelist() == sorted(archive.namelist())
        names = set(archive.namelist()) - {"containers/__init__.py"}
    there = [path for room in ("training", "prediction") for path in (ROOT / "containers" / room).rglob("*.py")]
    assert names == {path.relative_to(ROOT).as_posix() for path in there}


def test_the_libraries_that_are_imported_for_a_look_are_required() -> None:
    wanted = {name.split(".")[0] for name in bundles.IMPORTS}
    used: set[str] = set()
    for text in code_sources().values():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                used |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                used.add((node.module or "").split(".")[0])
    foreign = used - sys.stdlib_module_names - {"containers", "_typeshed"}
    assert foreign - {"scipy", "PIL"} <= wanted, "scikit-learn brings scipy, matplotlib Pillow"
    distributions = {"sklearn": "scikit-learn"}
    locked = build().files["requirements.txt"].decode()
    assert all(f"\n{distributions.get(name, name)}==" in locked for name in wanted)


# ------------------------------------------------------------------------------------------- storage


async def test_the_bundle_is_put_once_and_the_manifest_last() -> None:
    store = storage()
    made = BundleStore()
    prefix = await made.ensure(store)
    assert prefix == made.bundle.prefix
    assert {key: stored.data for key, stored in store.cloud.objects.items()} == {
        f"{prefix}/{name}": data for name, data in made.bundle.files.items()
    }
    assert list(store.cloud.objects)[-1] == f"{prefix}/manifest.json"


async def test_a_bundle_that_another_daemon_deleted_is_put_again() -> None:
    """Two installations may share a volume: every pod would wait for its wrapper in vain."""
    store = storage()
    made = BundleStore()
    await made.ensure(store)
    store.cloud.objects.clear()
    prefix = await made.ensure(store)
    assert sorted(store.cloud.objects) == sorted(f"{prefix}/{name}" for name in made.bundle.files)


async def test_where_it_is_one_question_is_asked_and_nothing_put(monkeypatch: pytest.MonkeyPatch) -> None:
    store = storage()
    await BundleStore().ensure(store)
    store.cloud.faults.fail_next("put")
    asked: list[str] = []
    look = store.stat

    async def stat(key: str) -> ObjectInfo:
        asked.append(key)
        return await look(key)

    monkeypatch.setattr(store, "stat", stat)
    made = BundleStore()
    await made.ensure(store)
    assert asked == [f"{made.bundle.prefix}/manifest.json"]


async def test_whoever_asks_at_once_shares_the_next_look_and_nobody_an_earlier_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = storage()
    made = BundleStore()
    await made.ensure(store)
    looks, look = 0, store.stat

    async def stat(key: str) -> ObjectInfo:
        nonlocal looks
        looks += 1
        found = await look(key)
        if looks == 1:
            store.cloud.objects.clear()  # while it is looked at: who asks from now on must see it
        await asyncio.sleep(0)
        return found

    monkeypatch.setattr(store, "stat", stat)
    await asyncio.gather(*(made.ensure(store) for _ in range(100)))
    assert sorted(store.cloud.objects) == sorted(f"{made.bundle.prefix}/{name}" for name in made.bundle.files)
    assert looks <= 2 + len(made.bundle.files)


async def test_every_store_gets_its_own() -> None:
    made = BundleStore()
    one, other = storage(), storage()
    await made.ensure(one)
    await made.ensure(other)
    assert one.cloud.objects.keys() == other.cloud.objects.keys()


async def test_a_put_that_failed_is_repeated_at_the_next_call_and_no_manifest_stands_before() -> None:
    store = storage()
    made = BundleStore()
    for _ in made.bundle.files:
        store.cloud.faults.fail_next("put")
        with pytest.raises(Unavailable):
            await made.ensure(store)
        assert f"{made.bundle.prefix}/manifest.json" not in store.cloud.objects
        done = len(store.cloud.objects)
        store.cloud.faults.fail_next("put", after_effect=True)
        with pytest.raises(Unavailable):
            await made.ensure(store)
        assert len(store.cloud.objects) == done + 1
        if done + 1 == len(made.bundle.files):
            break
    await made.ensure(store)


async def test_a_file_that_is_cut_short_is_put_anew() -> None:
    store = storage()
    made = BundleStore()
    key = f"{made.bundle.prefix}/code.zip"

    async def cut() -> object:
        yield b"PK"

    await store.put(key, cut())  # type: ignore[arg-type]
    await made.ensure(store)
    assert store.cloud.objects[key].data == made.bundle.files["code.zip"]


async def test_large_files_go_in_pieces_a_store_takes() -> None:
    store = storage()
    made = BundleStore(assemble(b"x" * (2 * CHUNK_BYTES + 1)))
    await made.ensure(store)
    assert store.cloud.objects[f"{made.bundle.prefix}/requirements.txt"].data == made.bundle.files["requirements.txt"]


# ------------------------------------------------------------------------------------------- the program


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_model_that_needs_a_library_gets_it_and_no_other(library: str) -> None:
    words = bundle_program("bundles/abc", "/mnt/volume/", "f" * 64, library).prepare_argv
    assert words[4:6] == ("--requirements", f"requirements-{library}.txt")
    assert words[-1] == library
    files = build().files
    assert files[f"requirements-{library}.txt"] == (ROOT / "requirements" / f"job-{library}.txt").read_bytes()
    assert not {other for other in LIBRARIES if other != library} & set(words)


def test_the_program_is_the_same_on_every_machine() -> None:
    program = bundle_program("bundles/abc", "/mnt/volume/", "f" * 64)
    assert program.argv == ("./env/bin/python", "-m", "containers.training", "work.json", "out")
    assert program.environment == {"PYTHONPATH": "/mnt/volume/bundles/abc/code.zip"}
    assert program.prepare_argv[:2] == ("sh", "-c")
    assert program.prepare_argv[3:5] == ("/mnt/volume/bundles/abc/prepare.py", "/mnt/volume/environments")
    assert "--requirements" not in program.prepare_argv
    assert program.wrapper_sha256 == "f" * 64
    assert program.prepare_limit_s > 0
