"""Who rents from another cloud needs no library of AWS's; who rents there is told what installs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ADVICE = "AWS needs the package botocore: run: pip install 'lastcall[aws]'"
PROGRAM = (
    "import sys\nsys.modules['botocore'] = None\nfrom lastcall.cli.main import main\nsys.exit(main(sys.argv[1:]))\n"
)


def lastcall(root: Path, provider: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a process that has no botocore."""
    environment = {
        "HOME": str(root),
        "XDG_CONFIG_HOME": str(root),
        "LASTCALL_STATE_DIR": str(root / "s"),
        "CLOUD_PROVIDER": provider,
        "AWS_DEFAULT_REGION": "eu-central-1",
        "LASTCALL_AWS_BUCKET": "lastcall-tests",
    }
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *words],
        env=environment,
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )


def test_a_doctor_of_this_computer_looks_at_everything(tmp_path: Path) -> None:
    done = lastcall(tmp_path, "local", "doctor", "--json")
    findings = json.loads(done.stdout)["checks"]
    assert "python" in {one["name"] for one in findings}
    assert ADVICE not in done.stdout
    assert "fault" not in done.stdout


def test_a_doctor_of_aws_says_once_what_installs_its_library(tmp_path: Path) -> None:
    done = lastcall(tmp_path, "aws", "doctor", "--json")
    wrong = [one for one in json.loads(done.stdout)["checks"] if ADVICE in one["detail"]]
    assert [one["name"] for one in wrong] == ["AWS account"]
    assert "this check has a fault" not in done.stdout


def test_a_setup_of_runpod_begins(tmp_path: Path) -> None:
    done = lastcall(tmp_path, "local", "setup", "runpod", "--json")
    assert [step["name"] for step in json.loads(done.stdout)["steps"]] == ["key"]


def test_a_setup_of_aws_says_what_installs_it(tmp_path: Path) -> None:
    done = lastcall(tmp_path, "aws", "setup", "aws", "--dry-run")
    assert ADVICE in " ".join(done.stderr.split())
    assert done.returncode == 78
