"""The process that loads a stranger's pickle: ``python -I -B -m containers.importing.sandbox REQUEST``.

The walls come first (``walls``), then the libraries, then the hook (``hook``), then the pickle. It is given open files
and no names: nothing it could leave anywhere. What it gives back is believed by nobody: the model file is read by
skops with an allow-list, the report as JSON with bounds.

REQUEST is JSON: ``{"parent", "folder", "model", "preprocessor", "table", "out", "report", "features", "modules",
"memory_bytes", "cpu_s", "file_bytes"}``; the first ones are descriptors.
"""

from __future__ import annotations

import json
import os
import sys
import sysconfig
import zipfile
from importlib import import_module
from pathlib import Path
from typing import IO, Any, Final

from containers.importing.walls import Limits, library_folders, put_up, starved
from containers.training.libraries import PACKAGES, need
from containers.training.refusal import Refused, unexpected

DETAIL_CHARS_MAX: Final = 1000
EXIT_WALLS: Final = 3
"""The walls could not be put up: nothing was loaded."""


def main(request: dict[str, Any]) -> int:
    """Load, convert, report; returns the exit code."""
    os.fchdir(request["folder"])
    readable = [*_without_checkout(), *library_folders()]
    try:
        limits = Limits(request["memory_bytes"], request["cpu_s"], request["file_bytes"])
        stood = put_up(limits, request["parent"], readable)
    except OSError as error:
        sys.stderr.write(f"the walls could not be put up: {error}\n")
        return EXIT_WALLS
    from containers.importing.hook import Hook

    hook = Hook(readable)
    try:
        said = _loaded(request, hook)
    except Refused as refused:
        said = {"ok": False, "code": refused.code, "detail": refused.detail}
    except BaseException as error:  # whatever a stranger's program raises, it is the file's fault
        said = {"ok": False, "code": "E-IMPORT-LOAD", "detail": unexpected(error)}
        if starved(error):
            said |= {"code": "E-IMPORT-LIMIT", "detail": "Loading took more memory than it may"}
    if hook.tried:
        what = ", ".join(dict.fromkeys(hook.tried))
        said = {"ok": False, "code": "E-IMPORT-UNSAFE", "detail": f"The pickle tried {what}, and was stopped"}
    said["detail"] = str(said.get("detail", ""))[:DETAIL_CHARS_MAX]
    _write(request["report"], json.dumps({**said, "walls": [*stood, "hook"]}).encode())
    return 0


def _without_checkout() -> list[Path]:
    """Have a checkout of this repository, which holds more than programs, out of reach; return what of it is read."""
    package = Path(__file__).parents[1]
    installed = Path(sysconfig.get_path("purelib"))
    if package.parent != installed:
        sys.path[:] = [entry for entry in sys.path if Path(entry) != package.parent]
    return [package]


def _loaded(request: dict[str, Any], hook: Any) -> dict[str, Any]:
    """Load behind the hook, convert and write the model; return the report."""
    bring(["sklearn.utils.validation", "skops.io", "containers.importing.converting", *request["modules"]])
    import skops.io

    from containers.importing.converting import convert, new_answers
    from containers.importing.unpickler import OldPickle

    table = json.load(os.fdopen(request["table"], "rb")) if request["table"] is not None else None
    _warm()
    hook.put_up()
    model, preprocessor = (
        None if request[name] is None else OldPickle(_file(request[name])).load() for name in ("model", "preprocessor")
    )
    made = convert(model, preprocessor, request["features"], table)
    with os.fdopen(request["out"], "wb", closefd=False) as out:
        skops.io.dump(made.pipeline, out, compression=zipfile.ZIP_DEFLATED, compresslevel=6)
    same = new_answers(made).tobytes() == made.answers.tobytes()
    if not same:
        raise Refused("E-IMPORT-DIFFERS", "The new pipeline does not answer as the older files did")
    return {"ok": True, **made.report()}


def bring(modules: list[str]) -> None:
    """Import what the model's names are in. Raises ``Refused`` E-LIBRARY for a library that is not installed."""
    for module in modules:
        root = module.split(".")[0]
        if root in PACKAGES:
            need(root)
        import_module(module)


def _warm() -> None:
    """Have the libraries do once what they do only once, such as finding each other, before the hook stands."""
    import io

    import numpy as np
    import skops.io
    from sklearn.linear_model import LogisticRegression

    skops.io.dump(LogisticRegression().fit(np.array([[0.0], [1.0]]), [0, 1]), io.BytesIO())


def _file(descriptor: int) -> IO[bytes]:
    file = os.fdopen(descriptor, "rb")
    file.seek(0)
    return file


def _write(descriptor: int, data: bytes) -> None:
    with os.fdopen(descriptor, "wb", closefd=False) as file:
        file.write(data)


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
