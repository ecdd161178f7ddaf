"""Work that takes no time, on machines whose libraries are empty: for tests of machines and money, not of models."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from actors.supervisor.work import Program
from containers.bundle import IMPORTS
from containers.job.prepare import read_requirements
from lastcall.programs import ProgramSource
from messages.machines import ProviderKind

CHECKOUT = Path(__file__).parents[2]
LOCKED = CHECKOUT / "requirements" / "job.txt"
PROGRAMS = Path(__file__).with_name("programs.py")


def empty_libraries(site: Path) -> None:
    """Fill an image's folder with the names and versions of all that a training needs, and nothing else."""
    for name in IMPORTS:
        module = site.joinpath(*name.split("."))
        module.mkdir(parents=True, exist_ok=True)
        (module / "__init__.py").touch()
    for line in read_requirements(LOCKED.read_text("utf-8")):
        try:
            version = metadata.version(line.name)
        except metadata.PackageNotFoundError:
            continue  # for another Python
        about = site / f"{line.name.replace('-', '_')}-{version}.dist-info"
        about.mkdir(exist_ok=True)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {line.name}\nVersion: {version}\n")


def give(script: Path) -> None:
    """Let every machine that a daemon in this process rents run a script: ``python -c SCRIPT work.json out``.

    It is prepared as for the training program, and has the interpreter and the code that this one would have.
    """
    usual, text = ProgramSource.__call__, script.read_text("utf-8")

    async def there(self: ProgramSource, kind: ProviderKind, model: str) -> Program:
        program = await usual(self, kind, model)
        return program.model_copy(update={"argv": (program.argv[0], "-c", text, *program.argv[-2:])})

    ProgramSource.__call__ = there  # type: ignore[method-assign]
