"""``python -m containers.importing REQUEST.json``: look at an older model, or make a bundle of it; one JSON line.

The request: ``{"package": path}`` to look, with ``"out": prefix`` and ``"sha256"`` to make. The answer: ``{"ok": true,
…}`` or ``{"ok": false, "code": "E-…", "detail": "one line"}``.
"""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from typing import Any

from containers.importing.making import Bounds, look, make, versions_differ
from containers.training.refusal import Refused, unexpected

EXIT_USAGE = 2


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Carry out a request and return its answer; errors are data."""
    try:
        with look(Path(request["package"])) as looked:
            said = {"ok": True, "looked": looked.json()}
            if "out" not in request:
                return said
            try:
                made = make(looked, str(request["out"]), str(request["sha256"]), Bounds(**request.get("bounds", {})))
            except Refused as refused:
                raise versions_differ(refused, looked.found.versions) from refused
            return {**said, "made": made}
    except Refused as refused:
        return {"ok": False, "code": refused.code, "detail": refused.detail}
    except MemoryError:
        return {"ok": False, "code": "E-IMPORT-LIMIT", "detail": "The files do not fit into the memory allowed"}
    except Exception as error:  # the caller reads one line; the trace goes to stderr for its log
        traceback.print_exc()
        return {"ok": False, "code": "E-IMPORT-LOAD", "detail": unexpected(error)}


def main(arguments: list[str]) -> int:
    """Run the program; returns the exit code."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m containers.importing REQUEST.json\n")
        return EXIT_USAGE
    sys.stdout.write(json.dumps(answer(json.loads(Path(arguments[0]).read_text("utf-8")))) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
