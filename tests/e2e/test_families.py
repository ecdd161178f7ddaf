"""Every kind of model is trained, kept and loaded again, and answers bit for bit the same wherever that was done.

One job for each configuration in ``workflow/`` trains them all on the one machine it rents, with the interpreter and
the code that machine has; what it leaves is loaded by a process that has seen no training. Each for one task: the other
is held by the training program's own tests. Nothing here names a provider.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from containers.training.families import FAMILIES
from containers.training.libraries import is_missing
from lastcall.config.load import AVAILABLE_PROVIDERS
from tests.e2e.test_workflow import CONFIGS
from tests.integration.training.bundles import document, read, request
from tests.support.cloud_house import ROWS, train
from tests.support.clouds import a_configured_house

TRAINED_S = 300.0
HOLDOUT = "predictions_holdout.csv"
FRESH = """
import json, sys
from containers.prediction.__main__ import answer
print(json.dumps([answer(r) for r in json.load(open(sys.argv[1]))]))
"""


def trained_by(config: Path, root: Path) -> Path:
    """Return a folder with a bundle of every family, from one job under this configuration."""
    root.mkdir()
    with a_configured_house(root, config, EVERY_FAMILY="1") as house:
        done = house.closed(train(house), TRAINED_S)
        assert done["job"]["outcome"] == "succeeded", (done["job"]["code"], done["job"]["detail"])
        status, raw = house.ask("GET", f"/v1/models/{done['model']['id']}/files/families.zip")
        assert status == 200
        assert house.alive() == []
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        archive.extractall(root / "families")
    return root / "families"


def loaded_anew(folders: Iterable[Path], root: Path) -> Mapping[Path, list[dict[str, str]]]:
    """Return what each bundle in these folders answers to all rows in a process of its own."""
    (root / "rows.csv").write_bytes(ROWS)
    found = {bundle: root / f"{n}.csv" for n, bundle in enumerate(b for folder in folders for b in folder.iterdir())}
    requests = [request(bundle, root / "rows.csv", answers) for bundle, answers in found.items()]
    (root / "requests.json").write_text(json.dumps(requests))
    command = [sys.executable, "-W", "error", "-c", FRESH, str(root / "requests.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert all(answer["ok"] for answer in json.loads(done.stdout)), done.stdout
    return {bundle: read(answers) for bundle, answers in found.items()}


def test_every_family_answers_the_same_wherever_it_was_trained(tmp_path: Path) -> None:
    """One test, not one for each configuration: they are compared with each other, and loaded by one process."""
    for config in CONFIGS:
        trained_by(config, tmp_path / config.stem)
    wanted = {f.name for f in FAMILIES.values() if not is_missing(f.library)}
    found = {config.stem: tmp_path / config.stem / "families" for config in CONFIGS}
    answers = loaded_anew(found.values(), tmp_path)
    for place, bundles in found.items():
        assert {bundle.name for bundle in bundles.iterdir()} == wanted
        for bundle in bundles.iterdir():
            assert document(bundle / "metadata.json")["machine"]["provider"] == place
            held_out = (found[AVAILABLE_PROVIDERS[0]] / bundle.name / HOLDOUT).read_bytes()
            assert (bundle / HOLDOUT).read_bytes() == held_out, "trained there as here"
            for row in read(bundle / HOLDOUT):
                again = answers[bundle][int(row["row"]) - 1]
                added = [name for name in row if name not in ("row", "actual")]
                assert [again[name] for name in added] == [row[name] for name in added], "loaded anew as trained"
