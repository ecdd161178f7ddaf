"""``python -m containers.prediction REQUEST.json``: predict one file; one JSON line on stdout, whatever happens.

The request: ``{"model_dir", "input", "output", "column": "prediction", "digests": {file: sha256}}``. The answer:
``{"ok": true, "rows": n}`` or ``{"ok": false, "code": "E-…", "detail": "one line"}``.
"""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from typing import Any

from containers.training.refusal import Refused, unexpected

EXIT_USAGE = 2


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Carry out a request and return its answer; errors are data."""
    try:
        from containers.prediction.core import predict

        rows = predict(
            Path(request["model_dir"]),
            Path(request["input"]),
            Path(request["output"]),
            str(request.get("column") or "prediction"),
            dict(request["digests"]),
        )
    except Refused as refusal:
        return {"ok": False, "code": refusal.code, "detail": refusal.detail}
    except MemoryError:
        return {"ok": False, "code": "E-OOM", "detail": "The prediction ran out of memory: send fewer rows at once"}
    except Exception as error:  # the caller reads one line; the trace goes to stderr for its log
        traceback.print_exc()
        return {"ok": False, "code": "E-PREDICT", "detail": unexpected(error)}
    return {"ok": True, "rows": rows}


def main(arguments: list[str]) -> int:
    """Run the program; returns the exit code."""
    if len(arguments) != 1:
        print("usage: python -m containers.prediction REQUEST.json", file=sys.stderr)
        return EXIT_USAGE
    request = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    sys.stdout.write(json.dumps(answer(request)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
