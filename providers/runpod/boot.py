"""What a pod is started with: a shell line that finds a Python, and the boot program that Python runs.

The boot program is ``containers/job/runpod.py`` and ``boot.py`` as one text, so that a pod that never came as far as
the wrapper ends itself by the very calls the wrapper uses. The text is read, not imported: a provider knows no program
of a machine. It needs the volume for nothing but the wrapper and judges that by its digest.
"""

from __future__ import annotations

import json

from providers.programs import bare_source

BOOT_BYTES_MAX = 6 << 10
"""The most the boot program may have, held by a test: a create body takes 102,400 bytes in all (fact sheet 0)."""

_PARTS = ("runpod.py", "boot.py")

BOOT_SOURCE = bare_source(_PARTS)
"""For the variable ``LASTCALL_BOOT``."""

_NO_PYTHON = "no Python 3.9 or newer in the image"
_MARKER = (
    r'{"schema":"result/v1","attempt":%s,"nonce":"%s","outcome":"failed","code":"E-NOPYTHON","detail":"'
    + _NO_PYTHON
    + r'","exit_code":null,"signal":null,"started_at":null,"ended_at":"%s","max_rss_bytes":null,"artifacts":[]}'
)
_SCRIPT = r"""
for p in python3 python3.11 python3.12 python3.13 python3.14 python3.10 python3.9 python; do
  if "$p" -I -c 'import sys; sys.exit(sys.version_info < (3, 9))' >/dev/null 2>&1; then
    exec "$p" -I -c "$LASTCALL_BOOT"
  fi
done
echo 'lastcall boot: NO_PYTHON; ending the pod' >&2
umask 077
url=${LASTCALL_RUNPOD_API_URL:-https://api.runpod.io/v2}/pods/$RUNPOD_POD_ID
call() {
  printf 'header = "Authorization: Bearer %s"\n' "$RUNPOD_API_KEY" |
    curl -q -sf -o /dev/null -m 10 -A lastcall-machine/1 -K - "$@" 2>/dev/null
}
act() {
  call -H 'Content-Type: application/json' -d '{"action":"terminate"}' "$url/action" && return
  wget -q -O /dev/null -T 10 -U lastcall-machine/1 --header "Authorization: Bearer $RUNPOD_API_KEY" \
    --header 'Content-Type: application/json' --post-data '{"action":"terminate"}' "$url/action" 2>/dev/null
}
mark() {
  new=$LASTCALL_JOB_FOLDER/.result.json.boot.$$.tmp
  printf 'MARKER' "${LASTCALL_ATTEMPT:-1}" "boot-${RUNPOD_POD_ID:-0}" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" >"$new" || return
  ln "$new" "$LASTCALL_JOB_FOLDER/result.json" 2>/dev/null ||
    (set -C; cat "$new" >"$LASTCALL_JOB_FOLDER/result.json") 2>/dev/null
  rm -f "$new"
}
n=0
until [ -d "$LASTCALL_JOB_FOLDER" ] || [ $n -ge 30 ]; do n=$((n + 1)); sleep 1; done
[ -d "$LASTCALL_JOB_FOLDER" ] && mark
call -X DELETE "$url" || act
sleep 5
act
sleep 5
exit 1
"""


def start_args() -> str:
    """Return the create body's ``args``: JSON text with entrypoint and command, the same for every pod.

    The shell line becomes the boot program. Without a usable Python it links the result marker into place, ends the
    pod with curl or wget, by the other route where the first did not kill it, and exits; the shell of the smallest
    images is enough for it. Only wget gets the pod's key on its command line: nothing else runs in such a pod, or ever
    did.
    """
    script = _SCRIPT.replace("NO_PYTHON", _NO_PYTHON).replace("MARKER", _MARKER).strip()
    return json.dumps({"entrypoint": ["sh", "-c"], "cmd": [script]}, separators=(",", ":"))
