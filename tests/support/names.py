"""Machine names of this run of the tests: two runs on one computer must not find, or end, each other's machines."""

from __future__ import annotations

import secrets

_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"

INSTALL = "".join(secrets.choice(_LETTERS) for _ in range(6))
"""Installation id of every machine that a test names."""
GENERATION = "ghij"
PREFIX = f"lc1-{INSTALL}{GENERATION}"
FOREIGN = f"lc1-{INSTALL}seaa-aaaaaaaaaa-a001-x9999999999-aaaa"
"""Has the shape of a machine name, and no installation made it."""
