"""What a machine has of S3 beside the other clients: ``python -m bench.s3.machine {op} {path}``.

OP: up (a result goes into the bucket, as ``containers/job/objects.py`` keeps one) or down (an input is brought). Only
the standard library and the wrapper; settings and last line are those of ``ours.py``.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from containers.job.bucket import Bucket
from containers.job.instance import Keys
from containers.job.objects import Copies, ObjectFolder

KEY = "big"


def main(op: str, path: Path) -> None:
    """Move one file and print how long it took, start-up and imports not counted."""
    environment = os.environ
    keys, prefix = Keys(environment["B_KEY"], environment["B_SECRET"], ""), environment["B_BUCKET"]
    bucket = Bucket(environment["B_ENDPOINT"], environment["B_REGION"], lambda: keys)
    began, cpu = time.perf_counter(), time.process_time()
    if op == "up":
        with path.open("rb") as file:
            ObjectFolder(path.parent, "nonce", bucket, prefix).keep(file, KEY)
    else:
        Copies(bucket, path.parent, lambda: False).bring(f"{prefix}/{KEY}")
        (path.parent / prefix / KEY).replace(path)
    print(json.dumps({"inner_s": time.perf_counter() - began, "inner_cpu_s": time.process_time() - cpu}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
