"""Looking at a data file in a process of its own, with limits: the daemon never parses what users send."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from actors.runtime.world import Spawner
from actors.storage.locks import Room
from actors.storage.parts import StorageSettings, inspection_limit_s
from actors.storage.reading import parse_json
from messages.errors import ERRORS, Refusal
from messages.storage import Profile

PROGRAM: Final = "containers.training.inspection"
OUTPUT_BYTES_MAX: Final = 8 << 20
"""Profile of a file with as many columns as are allowed."""
DETAIL_CHARS_MAX: Final = 500
_CODES: Final = ("E-CSV-", "E-FEATURES", "E-SPLIT", "E-TASK", "E-MODEL-SIZE", "E-MODEL-UNKNOWN", "E-PARAMETER")


class Check(BaseModel):
    """What inspection says with a target in mind."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    task: Literal["classification", "regression"]
    rows_usable: int
    classes: int | None = None
    features: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    library_missing: str | None = None
    image_library: str | None = None


class Report(BaseModel):
    """The one line the program prints."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    ok: bool
    profile: Profile | None = None
    check: Check | None = None
    code: str = ""
    detail: str = ""


class Inspector:
    """Runs the inspection program, a few at once."""

    def __init__(self, spawner: Spawner, settings: StorageSettings) -> None:
        self._spawner = spawner
        self._settings = settings
        self._room = Room(settings.inspections_at_once, settings.waiting_max)

    async def look(self, path: str, size_bytes: int, question: str | None = None) -> Report:
        """Inspect the file of ``size_bytes`` at ``path``, with the request file ``question`` when there is one.

        Raises Refusal with the program's own code, ``E-CSV-TIMEOUT``, or ``E-INTERNAL`` when the program broke.
        """
        argv = [self._settings.python, "-m", PROGRAM, path]
        if question is not None:
            argv += ["--request", question]
        limit_s = inspection_limit_s(size_bytes)
        async with self._room.entered():
            try:
                result = await self._spawner.run(
                    argv,
                    timeout_s=limit_s,
                    memory_limit_bytes=self._settings.inspection_memory_bytes,
                    output_limit_bytes=OUTPUT_BYTES_MAX,
                )
            except TimeoutError:
                raise Refusal("E-CSV-TIMEOUT", f"more than {limit_s:g} s") from None
            except OSError as error:
                raise Refusal("E-BUSY", "no process could be started to look at the file") from error
        if result.exit_code != 0:
            raise Refusal("E-INTERNAL", f"looking at the file ended with {result.exit_code}")
        return _report(result.stdout, asked=question is not None)


def _report(stdout: bytes, *, asked: bool) -> Report:
    try:
        report = Report.model_validate(parse_json(stdout))
    except (ValidationError, ValueError):
        raise Refusal("E-INTERNAL", "looking at the file gave no readable answer") from None
    if not report.ok:
        if report.code in ERRORS and report.code.startswith(_CODES):
            raise Refusal(report.code, report.detail[:DETAIL_CHARS_MAX])
        raise Refusal("E-INTERNAL", f"looking at the file answered {report.code[:40]!r}")
    if report.profile is None or (asked and report.check is None):
        raise Refusal("E-INTERNAL", "looking at the file left its answer incomplete")
    return report
