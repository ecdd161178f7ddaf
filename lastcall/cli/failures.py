"""What went wrong, for people: what happened · what it cost and what still runs · what to do · code and page."""

from __future__ import annotations

from typing import Any

from messages.errors import EXIT_NO_DAEMON, EXIT_USAGE, ErrorCode, Refusal, error

NOTHING_STARTED = "Nothing was started and nothing was spent."


class Failure(Exception):
    """Something the user has to be told; ends the command with ``exit``."""

    def __init__(self, code: str, happened: str = "", *, money: str = NOTHING_STARTED, todo: str = "") -> None:
        entry = error(code)
        super().__init__(happened or entry.text)
        self.entry: ErrorCode = entry
        self.happened = happened or entry.text
        self.money = money
        self.todo = todo or entry.hint
        self.exit = entry.exit
        self.request_id = ""

    @classmethod
    def of_problem(cls, problem: dict[str, Any], *, money: str = NOTHING_STARTED) -> Failure:
        """Return the failure a daemon's problem document tells of."""
        code = str(problem.get("code", "E-INTERNAL"))
        title, detail = str(problem.get("title", "")), str(problem.get("detail", ""))
        happened = title if not detail or detail == title else f"{title}: {detail}"
        made = cls(code, happened, money=money, todo=str(problem.get("hint", "")))
        made.request_id = str(problem.get("request_id", ""))
        return made

    @classmethod
    def of_refusal(cls, refusal: Refusal) -> Failure:
        """Return the failure a refusal raised in this process tells of."""
        entry = error(refusal.code)
        return cls(refusal.code, f"{entry.text}: {refusal.detail}" if refusal.detail else entry.text)

    def lines(self) -> list[str]:
        """Return the four parts, one a line; a part without content is left out."""
        page = f"{self.entry.code} · {self.entry.docs}"
        if self.request_id:
            page += f" · {self.request_id}"
        return [line for line in (_sentence(self.happened), self.money, _sentence(self.todo), page) if line]


class NoDaemon(Failure):
    """Nobody answers at the socket."""

    def __init__(self, where: str) -> None:
        super().__init__(
            "E-NODAEMON",
            f"Lastcall is not running: nobody answers at {where}",
            money="Machines of an earlier run end by their own timers.",
            todo="Start it: lastcall daemon      Just try it: lastcall demo",
        )
        self.exit = EXIT_NO_DAEMON


class Usage(Failure):
    """The command was not complete; ``todo`` is the line to type."""

    def __init__(self, happened: str, todo: str) -> None:
        super().__init__("E-BADREQUEST", happened, todo=todo)
        self.exit = EXIT_USAGE


class BrokenConnection(Exception):
    """The daemon went away in the middle; whether it acted is not known."""


def _sentence(text: str) -> str:
    if not text or text.rstrip()[-1] in ".!?":
        return text
    words = text.split()
    return text if words and words[0] == "Start" else f"{text}."
