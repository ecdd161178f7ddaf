"""What an EC2 instance starts with once its timer stands: fetch the wrapper, check it, become it.

Part of the user-data, behind ``instance.py`` and ``bucket.py`` (``providers/aws/userdata.py``): Python 3.9, standard
library only. When it returns or fails, the script powers the instance off.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from pathlib import Path
from typing import NoReturn

from containers.job.bucket import Bucket
from containers.job.instance import Metadata

WAIT_S = 120.0
LOOK_S = 1.0
WRAPPER_BYTES_MAX = 16 << 20


def fetch(environ: dict[str, str], metadata: Metadata) -> bytes:
    """Return the wrapper that was meant; looks for two minutes. Raises OSError, ValueError."""
    bucket = Bucket(environ["LASTCALL_BUCKET_URL"], environ["LASTCALL_REGION"], metadata.keys)
    until = time.monotonic() + WAIT_S
    while True:
        try:
            data = bucket.read(environ["LASTCALL_BUNDLE"] + "/wrapper.pyz", WRAPPER_BYTES_MAX)
            if hashlib.sha256(data).hexdigest() == environ["LASTCALL_WRAPPER_SHA256"]:
                return data
            raise ValueError("the wrapper is another one")
        except (OSError, ValueError):
            if time.monotonic() >= until:
                raise
        time.sleep(LOOK_S)


def main() -> NoReturn:
    """Become the wrapper, or say why not."""
    environ = dict(os.environ)
    metadata = Metadata(environ)
    try:
        data = fetch(environ, metadata)
        environ["LASTCALL_INSTANCE_ID"] = metadata.get("meta-data/instance-id") or ""
        place = Path(environ["LASTCALL_MACHINE_DIR"])
        place.mkdir(0o700, parents=True, exist_ok=True)
        path = place / "wrapper.pyz"
        path.write_bytes(data)
    except Exception as error:
        os.write(2, ("lastcall boot: " + type(error).__name__ + ": " + str(error)[:200] + "\n").encode())
        os._exit(1)
    os.execve(sys.executable, [sys.executable, "-I", "-S", str(path)], environ)  # noqa: S606


if __name__ == "__main__":
    main()
