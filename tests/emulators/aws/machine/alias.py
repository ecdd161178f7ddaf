"""Runs a module of this folder as a command: ``alias.py MODULE NAME ARGUMENTS``. It lies beside the copied package."""

import runpy
import sys
from pathlib import Path

PACKAGE = "tests.emulators.aws.machine"

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    module = sys.argv[1]
    sys.argv = sys.argv[2:]
    runpy.run_module(f"{PACKAGE}.{module}", run_name="__main__")
