"""``apt-get`` and its like: nothing is installed on the computer that a machine runs on."""

from __future__ import annotations

import sys
from pathlib import Path

FAILED = 100
"""As apt-get ends where it cannot reach its archives."""

if __name__ == "__main__":
    name = Path(sys.argv[0]).name
    print(f"{name}: {' '.join(sys.argv[1:])}: the archives cannot be reached", file=sys.stderr)
    sys.exit(FAILED)
