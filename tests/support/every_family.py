"""One job that trains every kind of model on the machine it runs on: ``python -c THIS work.json out``.

It uses nothing but the training program as the machine has it. Beside the ordered model it leaves ``families.zip``: a
folder for each family, for the first task it can do, without what only people read.
"""

import json
import shutil
import sys
from pathlib import Path

from containers.training.__main__ import run
from containers.training.families import CLASSIFICATION, FAMILIES
from containers.training.libraries import is_missing

QUICK = {"n_estimators": 5, "iterations": 5, "max_iter": 20}
KEPT = {"metadata.json", "metrics.json", "model.skops", "predictions_holdout.csv", "schema.json"}
work, out = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
for family in FAMILIES.values():
    for task in () if is_missing(family.library) else family.tasks[:1]:
        given = {p.name: QUICK[p.name] for p in family.parameters if p.name in QUICK}
        target = "churn" if task == CLASSIFICATION else "usage"
        order = {"model": family.name, "task": task, "target": target, "parameters": given, "plots": False}
        Path("order.json").write_text(json.dumps(work | order))
        folder = Path("families") / family.name
        if run(Path("order.json"), folder) != 0:
            sys.exit(f"{folder}: {(folder / 'error.json').read_text()}")
        for path in folder.iterdir():
            if path.name not in KEPT:
                path.unlink()
out.mkdir(exist_ok=True)
shutil.make_archive(str(out / "families"), "zip", "families")
sys.exit(run(Path(sys.argv[1]), out))
