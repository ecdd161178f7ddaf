"""Look at a CSV file before any money is spent: ``python -m containers.training.inspection FILE [--request FILE]``.

Prints one JSON line and exits 0, whether the file can be used or not:
``{"ok": true, "profile": {…}, "check": {…} | null}`` or ``{"ok": false, "code": "E-CSV-…", "detail": "…"}``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from containers.training.families import AUTO, CLASSIFICATION, REGRESSION, check_model
from containers.training.profile import survey
from containers.training.refusal import Refused, quoted
from containers.training.target import Question, check, check_rows

EXIT_USAGE = 2


def inspect(path: Path, request: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return what is in the file and, with a request, what can be trained from it. Never raises ``Refused``."""
    try:
        question = read_question(request) if request is not None else None
        found = survey(path, question.target if question else None)
        check_rows(found)
        checked = check(found, question) if question else None
    except Refused as refusal:
        return {"ok": False, "code": refusal.code, "detail": refusal.detail}
    except MemoryError:
        detail = "The file takes more memory to look at than a table should: send fewer columns, or the CSV itself"
        return {"ok": False, "code": "E-CSV-BOMB", "detail": detail}
    return {"ok": True, "profile": found.json(), "check": checked.json() if checked else None}


def read_question(request: dict[str, Any]) -> Question:
    """Return the question in a request; names that can be judged without the file are judged here."""
    task = request.get("task") or AUTO
    if task not in (AUTO, CLASSIFICATION, REGRESSION):
        raise Refused("E-TASK", f"There is no task {quoted(str(task))}: use auto, classification or regression")
    model = str(request.get("model") or AUTO)
    check_model(model)
    features = request.get("features")
    names = None if features is None else tuple(str(f) for f in features)
    group, time = (None if request.get(key) is None else str(request[key]).strip() for key in ("group", "time"))
    parameters = dict(request.get("parameters") or {})
    return Question(str(request["target"]).strip(), model, task, names, parameters, group, time)


def main(arguments: list[str]) -> int:
    """Run the program; returns the exit code."""
    match arguments:
        case [file]:
            request = None
        case [file, "--request", name] | ["--request", name, file]:
            request = json.loads(Path(name).read_text(encoding="utf-8"))
        case _:
            print("usage: python -m containers.training.inspection FILE [--request REQUEST.json]", file=sys.stderr)
            return EXIT_USAGE
    sys.stdout.write(json.dumps(inspect(Path(file), request)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
