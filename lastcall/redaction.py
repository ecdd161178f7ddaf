"""Takes secrets out of what is written: known values, things that look like secrets, and fields named like one.

Used as the last step of every log line. A text is scanned once per pattern; the patterns are linear, and a text
longer than ``TEXT_CHARS_MAX`` is cut first, so that no line can make the daemon slow or big.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

STARS = "[redacted]"
TEXT_CHARS_MAX = 16_384
"""Characters of one value that are written; the rest is counted."""
DEPTH_MAX = 8
"""Levels of nesting that are written."""
ITEMS_MAX = 200
"""Items of one list or mapping that are written."""
KNOWN_CHARS_MIN = 4
"""A known secret shorter than this would blank out ordinary words."""

_PATTERNS = (
    (
        re.compile(r"(?i)(authorization[\"']{0,2}\s{0,3}[=:]\s{0,3}[\"']?(?:[a-z]{5,6}\s)?)[\w.~+/=-]{8,}"),
        rf"\1{STARS}",
    ),
    (re.compile(r"(?i)\b(bearer\s{1,3})[\w.~+/=-]{8,}"), rf"\1{STARS}"),
    (re.compile(r"(?i)\b((?:basic|token)\s{1,3})(?=[\w.~+/-]{0,200}[0-9=])[\w.~+/=-]{8,}"), rf"\1{STARS}"),
    (re.compile(r"\b(rpa|rps|whsec|ghp|xox[a-z])_[A-Za-z0-9_-]{8,}"), STARS),
    (re.compile(r"\b(AKIA|ASIA)[A-Z0-9]{12,}"), STARS),
    (re.compile(r"[0-9]{5,20}:[A-Za-z0-9_-]{30,}"), STARS),
    (re.compile(r"\b([a-zA-Z][a-zA-Z0-9+.-]{0,30}://)[^\s/@\"'<>]{1,300}@"), rf"\1{STARS}@"),
    (
        re.compile(
            r"(?i)([?&;](?:[a-z0-9_.-]{0,40}(?:token|signature|secret|password|credential|api[_-]?key|accesskeyid)|sig|key)=)"
            r"[^&\s\\\"'<>]{1,2000}"
        ),
        rf"\1{STARS}",
    ),
    (
        re.compile(
            r"(?i)((?:api[_-]?key|secret[a-z_-]{0,20}|password|bot[_-]?token|session[_-]?token)"
            r"[\"']{0,2}\s{0,3}[=:]\s{0,3}[\"']{0,1})(?!\[redacted\]|null\b|true\b|false\b|None\b)[^\s\\\"',;&}\])]{4,}"
        ),
        rf"\1{STARS}",
    ),
)
"""What looks like a secret, whoever wrote it."""

_NAMED = re.compile(
    r"(?i)(^|[_-])(authorization|cookie|password|passwd|secret|token|api_?key|access_?key(_?id)?|secret_?key|"
    r"private_?key|credentials?)$"
)
"""Names of fields whose value is never written."""


class Redactor:
    """Knows the secrets of this configuration."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms: set[str] = set()
        for secret in secrets:
            if len(secret) >= KNOWN_CHARS_MIN:
                forms |= {secret, json.dumps(secret)[1:-1], repr(secret)[1:-1], quote(secret, safe="")}
        longest_first = sorted(forms, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, longest_first))) if forms else None

    def text(self, value: str) -> str:
        """Return ``value`` without secrets, cut to ``TEXT_CHARS_MAX``."""
        if self._known is not None:
            value = self._known.sub(STARS, value)
        if len(value) > TEXT_CHARS_MAX:
            value = f"{value[:TEXT_CHARS_MAX]}… ({len(value) - TEXT_CHARS_MAX} more characters)"
        return _unrecognisable(value)

    def line(self, value: str) -> str:
        """Return a finished line without secrets, uncut: it is JSON, and its parts were cut before."""
        return _unrecognisable(self._known.sub(STARS, value) if self._known is not None else value)

    def value(self, value: Any, depth: int = 0) -> Any:
        """Return any value as plain data without secrets; what is not data becomes its redacted ``str``."""
        if isinstance(value, float) and not math.isfinite(value):
            return str(value)
        if value is None or isinstance(value, (bool, int, float)):
            return value
        if depth >= DEPTH_MAX:
            return "…"
        if isinstance(value, Mapping):
            return self._mapping(value, depth)
        if isinstance(value, (list, tuple, set, frozenset)):
            items = [self.value(item, depth + 1) for item in list(value)[:ITEMS_MAX]]
            return items if len(value) <= ITEMS_MAX else [*items, f"… ({len(value) - ITEMS_MAX} more)"]
        return self.text(_as_text(value))

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, inner in list(value.items())[:ITEMS_MAX]:
            name = self.text(str(key))
            says_nothing = inner is None or isinstance(inner, bool) or (isinstance(inner, str) and not inner)
            hidden = not says_nothing and _NAMED.search(name)
            result[name] = STARS if hidden else self.value(inner, depth + 1)
        if len(value) > ITEMS_MAX:
            result["…"] = f"{len(value) - ITEMS_MAX} more"
        return result


def _unrecognisable(value: str) -> str:
    for pattern, replacement in _PATTERNS:
        value = pattern.sub(replacement, value)
    return value


def _as_text(value: Any) -> str:
    """Return an object's text; one that cannot say what it is must not end the log."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    try:
        return str(value)
    except Exception:
        return f"<{type(value).__name__}>"
