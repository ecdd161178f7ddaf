"""What a setup tells: one step a line, and the person it asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from messages.errors import EXIT_FAILED, EXIT_OK

State = Literal["done", "unchanged", "planned", "skipped", "failed"]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was looked at or done."""

    name: str
    state: State
    detail: str
    """What was found or done, one line, without secrets."""
    next: str = ""
    """What to do about it; empty while all is well."""

    def document(self) -> dict[str, str]:
        """Return it as JSON has it."""
        return {"name": self.name, "state": self.state, "detail": self.detail, "next": self.next}


class Interrupted(KeyboardInterrupt):
    """A setup was interrupted. ``left``: what may run or be there and cost money, and what to do, a line each."""

    def __init__(self, left: Sequence[str]) -> None:
        super().__init__()
        self.left = tuple(left)


class Person(Protocol):
    """Whoever set this going: hears every step, is asked before money is spent, and knows the keys."""

    def told(self, step: Step) -> None:
        """Hear one finished step."""
        ...

    def waits(self, text: str) -> None:
        """Hear what is going on meanwhile."""
        ...

    def agrees(self, question: str) -> bool:
        """Answer yes or no; one who cannot be asked says no."""
        ...

    def secret(self, what: str) -> str | None:
        """Type a secret, unseen; ``None`` when there is nobody to type."""
        ...

    def types(self, what: str) -> str | None:
        """Type a word that confirms something; ``None`` when there is nobody to type, and no flag stands for it."""
        ...


@dataclass
class Report:
    """Everything one setup told, in order."""

    person: Person
    dry_run: bool = False
    steps: list[Step] = field(default_factory=list)
    measured: dict[str, float | None] = field(default_factory=dict)
    """Name with its unit last → seconds, as seen by the trial; ``None``: not seen."""
    policies: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Word → policy as it would be given; only where nothing is done."""
    unsure: dict[str, str] = field(default_factory=dict)
    """What was asked for and may be there without our knowing → what it costs and what to do."""

    def tell(self, step: Step) -> Step:
        """Keep a step and say it."""
        self.steps.append(step)
        self.person.told(step)
        return step

    @property
    def exit_code(self) -> int:
        """0 when nothing failed."""
        return EXIT_FAILED if any(step.state == "failed" for step in self.steps) else EXIT_OK

    def document(self) -> dict[str, Any]:
        """Return it as ``--json`` prints it."""
        return {
            "schema": "setup/v1",
            "ok": self.exit_code == EXIT_OK,
            "dry_run": self.dry_run,
            "steps": [step.document() for step in self.steps],
            "measured": self.measured,
            **({"policies": self.policies} if self.policies else {}),
        }
