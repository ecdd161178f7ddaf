"""What an instance is started with: a shell script that arms its own end before anything else (design.md 7). Pure.

In this order: a unit that at every boot arms ``shutdown`` for the hard deadline and, at any boot but the first, powers
off; the same at once; then the boot program (``containers/job``: ``instance.py``, ``bucket.py`` and ``aws_boot.py`` as
one text), which becomes the wrapper, on the instance itself or in the configured Docker image; then power off, whatever
came of it. The programs' text is read, not imported: a provider knows no program of a machine.
"""

from __future__ import annotations

import re
import shlex
from typing import Final

from messages.machines import LaunchRequest
from providers.aws.settings import MACHINE_ROOT, STORE_FOLDER, AwsSettings
from providers.interface import Refused
from providers.programs import bare_source

PARTS: Final = ("instance.py", "bucket.py", "aws_boot.py")
BOOT_SOURCE: Final = bare_source(PARTS)
"""What the instance's Python runs first."""
BOOT_BYTES_MAX: Final = 9 << 10
"""The most it may have, held by a test: user-data takes 16,384 bytes in all."""
VARIABLES_MAX: Final = 50
APT_S: Final = 180
"""For each of the package manager's two calls, which waits so long for another one: a first boot updates by itself, and
the lists' lock is none that apt waits for (``DPkg::Lock::Timeout``). Ubuntu's images have a Python without pip and what
makes environments, and no Docker."""

_SCRIPT: Final = r"""#!/bin/sh
umask 077
mkdir -p @ROOT@
cat >@ROOT@/timer <<'EOF'
#!/bin/sh
[ -e @ROOT@/booted ] && { shutdown -h now || systemctl poweroff || poweroff; exit; }
m=$(( (@HARD@ - $(date +%s)) / 60 ))
[ $m -ge 1 ] || m=1
shutdown -h +$m
EOF
chmod 700 @ROOT@/timer
cat >/etc/systemd/system/lastcall-timer.service <<'EOF'
[Unit]
Description=The end of this machine
[Service]
Type=oneshot
ExecStart=@ROOT@/timer
[Install]
WantedBy=multi-user.target
EOF
systemctl daemon-reload
systemctl enable lastcall-timer.service
@ROOT@/timer
touch @ROOT@/booted
off() {
  shutdown -h now || systemctl poweroff || poweroff
}
trap off EXIT
cat >@ROOT@/boot.py <<'LASTCALL-BOOT'
@BOOT@LASTCALL-BOOT
cat >@ROOT@/environment <<'LASTCALL-ENV'
@VARIABLES@
LASTCALL-ENV
set -a
. @ROOT@/environment
set +a
bring() {
  command -v apt-get >/dev/null || return
  export DEBIAN_FRONTEND=noninteractive
  timeout @APT_S@ sh -c 'until apt-get -q update; do sleep 5; done'
  timeout @APT_S@ apt-get -q -y -o DPkg::Lock::Timeout=@APT_S@ install "$1"
}
@RUN@
"""
_PLAIN: Final = r"""python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || bring python3-venv
for p in python3 python3.12 python3.13 python3.14 python3.11 python3.10 python3.9; do
  if "$p" -I -c 'import sys; sys.exit(sys.version_info < (3, 9))' >/dev/null 2>&1; then
    "$p" -I @ROOT@/boot.py
    exit
  fi
done
echo 'lastcall boot: no Python 3.9 or newer in the image' >&2"""
_DOCKER: Final = r"""command -v docker >/dev/null || bring docker.io || timeout @APT_S@ dnf install -q -y docker
systemctl start docker
docker run --rm --user 0 --network host @GPUS@ -v @ROOT@:@ROOT@ @ENVS@ \
  --log-driver awslogs --log-opt awslogs-region=@REGION@ --log-opt awslogs-group=@GROUP@ \
  --log-opt awslogs-stream=@NAME@/docker @IMAGE@ python3 -I @ROOT@/boot.py"""


def user_data(request: LaunchRequest, settings: AwsSettings) -> bytes:
    """Return the script. Raises Refused for variables that no shell takes."""
    variables = environment(request, settings)
    filled = {
        "@RUN@": _PLAIN if settings.image is None else _DOCKER,
        "@BOOT@": BOOT_SOURCE,
        "@VARIABLES@": "\n".join(f"{name}={shlex.quote(value)}" for name, value in variables.items()),
        "@HARD@": f"{request.hard_deadline.timestamp():.0f}",
        "@ROOT@": MACHINE_ROOT,
        "@GPUS@": "--gpus all" if request.offer.gpu_count else "",
        "@APT_S@": str(APT_S),
        "@ENVS@": " ".join(f"-e {name}" for name in variables),
        "@REGION@": settings.region,
        "@GROUP@": shlex.quote(settings.log_group),
        "@NAME@": request.name,
        "@IMAGE@": shlex.quote(settings.image or ""),
    }
    text = _SCRIPT.replace("@RUN@", filled.pop("@RUN@"))
    return re.sub("@[A-Z_]+@", lambda found: filled[found[0]], text).encode()


def environment(request: LaunchRequest, settings: AwsSettings) -> dict[str, str]:
    """Return the wrapper's variables. No secret may be among them: whoever may describe instances reads them."""
    variables = {
        **request.environment,
        "LASTCALL_PROVIDER": "aws",
        "LASTCALL_STORAGE_ROOT": f"{MACHINE_ROOT}/{STORE_FOLDER}",
        "LASTCALL_JOB_FOLDER": f"{MACHINE_ROOT}/{STORE_FOLDER}/{request.folder}",
        "LASTCALL_MACHINE_DIR": f"{MACHINE_ROOT}/machine",
        "LASTCALL_REGION": settings.region,
        "LASTCALL_BUCKET_URL": bucket_url(settings),
        "LASTCALL_ENCRYPTION": f"aws:kms {settings.kms_key}" if settings.kms_key else "AES256",
        "LASTCALL_LOGS_URL": settings.endpoint("logs") or f"https://logs.{settings.region}.amazonaws.com",
        "LASTCALL_LOG_GROUP": settings.log_group,
    }
    if request.bundle is not None:
        variables["LASTCALL_BUNDLE"] = request.bundle
    if settings.package_index is not None:
        variables["PIP_INDEX_URL"] = settings.package_index
    wrong = sorted(name for name, value in variables.items() if not name.isidentifier() or not value.isprintable())
    if wrong or len(variables) > VARIABLES_MAX:
        raise Refused(f"these variables cannot be given to an instance: {', '.join(wrong)[:200] or 'too many'}")
    return variables


def bucket_url(settings: AwsSettings) -> str:
    """Return where an instance finds the bucket: in the host where that can be, as AWS wants it."""
    own = settings.endpoint("s3")
    if own is not None:
        return f"{own.rstrip('/')}/{settings.bucket}"
    host = f"s3.{settings.region}.amazonaws.com"
    return f"https://{host}/{settings.bucket}" if "." in settings.bucket else f"https://{settings.bucket}.{host}"
