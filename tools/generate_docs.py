"""Write every generated page and sample file again, or check that they are up to date.

    python -m tools.generate_docs [--check]

Sources: the settings, the error registry, the kinds of model, the event and message classes, and the command line's
own tree. A test compares what is committed with what this makes.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from lastcall.cli import manual, schemas
from lastcall.config.render import config_toml, env_example
from tools import reference

ROOT = Path(__file__).resolve().parent.parent
ERROR_PAGES = "docs/errors/"


def pages() -> Mapping[str, str]:
    """Return path → text of everything that is generated."""
    made = {
        "config.toml": config_toml(),
        ".env.example": env_example(),
        "docs/reference/settings.md": reference.settings(),
        "docs/reference/errors.md": reference.errors(),
        "docs/reference/events.md": reference.events(),
        "docs/reference/messages.md": reference.messages(),
        "docs/reference/models.md": reference.models(),
        "docs/reference/cli.md": manual.page(),
    }
    made.update({f"docs/schemas/{name}.json": schemas.schema_text(name) for name in schemas.PUBLISHED})
    made.update({f"{ERROR_PAGES}{code}.md": text for code, text in reference.error_pages().items()})
    return made


def stale(root: Path) -> list[str]:
    """Return what is missing, differs, or is left over from a code that no longer exists."""
    made = pages()
    wrong = [path for path, text in made.items() if not (root / path).is_file() or (root / path).read_text() != text]
    left = [path.relative_to(root).as_posix() for path in (root / ERROR_PAGES).glob("*.md")]
    return sorted(wrong + [path for path in left if path not in made])


def write(root: Path) -> list[str]:
    """Write what is stale and return its paths."""
    made = pages()
    changed = stale(root)
    for path in changed:
        target = root / path
        if path in made:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(made[path])
        else:
            target.unlink()
    return changed


def main(arguments: Sequence[str]) -> int:
    """Write, or with ``--check`` only tell."""
    if "--check" in arguments:
        wrong = stale(ROOT)
        for path in wrong:
            sys.stderr.write(f"docs: {path} is not up to date; run ./dev docs\n")
        return 1 if wrong else 0
    for path in write(ROOT):
        sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
