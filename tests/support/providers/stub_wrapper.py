# ruff: noqa: PTH105, PTH103, PTH109, PTH110, PTH115, PTH118, PTH123, PTH208
"""A machine's first process for provider tests; ``STUB_PLAN`` says what it does. Standard library only.

Whatever it is, it ends when ``exit`` appears in its job folder, after reaping all that is below it.
"""

import json
import os
import signal
import sys
import time

FOLDER = os.environ["LASTCALL_JOB_FOLDER"]
MACHINE_DIR = os.environ["LASTCALL_MACHINE_DIR"]


def say(name: str, text: str) -> None:
    with open(os.path.join(FOLDER, name + ".new"), "w") as file:
        file.write(text)
    os.replace(os.path.join(FOLDER, name + ".new"), os.path.join(FOLDER, name))


def hide(forks: bool) -> None:
    """Leave a process that is nobody's child, in its own session, without environment, deaf to SIGTERM."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            code = "import os,sys,time\n"
            if forks:
                code += "for _ in range(5): os.fork()\n"
            code += "open(sys.argv[1]+'/hidden.%d' % os.getpid(),'w').close()\n"
            code += "while True: time.sleep(60)\n"
            os.execve(sys.executable, [sys.executable, "-I", "-S", "-c", code, FOLDER], {})
        os._exit(0)


def hop() -> None:
    """Fork and end, over and over: no process of it lives longer than some milliseconds."""
    if os.fork() == 0:
        while True:
            if os.fork() != 0:
                os._exit(0)
            time.sleep(0.002)


def facts() -> "dict[str, object]":
    with open("/proc/self/status") as file:
        status = dict(line.split(":", 1) for line in file)
    held = [fd for fd in os.listdir("/proc/self/fd") if os.path.lexists("/proc/self/fd/" + fd)]
    fds = {fd: os.readlink("/proc/self/fd/" + fd) for fd in held}
    return {
        "environ": dict(os.environ),
        "pid": os.getpid(),
        "sid": os.getsid(0),
        "parent": os.getppid(),
        "cwd": os.getcwd(),
        "no_new_privs": status["NoNewPrivs"].strip(),
        "descriptors": fds,
    }


def reap() -> bool:
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                return False
        except ChildProcessError:
            return True


def main() -> None:
    os.makedirs(FOLDER, exist_ok=True)
    plan = os.environ.get("STUB_PLAN", "")
    print("stub begins: \u00e4\u00f6\u00fc", flush=True)
    if plan == "die":
        sys.exit(3)
    if plan in ("hide", "leave"):
        hide(forks=False)
    if plan == "bomb":
        hide(forks=True)
    if plan == "hop":
        hop()
    say("facts.json", json.dumps(facts()))
    if plan == "leave":
        while not os.path.exists(os.path.join(FOLDER, "exit")):
            time.sleep(0.005)
        os._exit(0)
    while not os.path.exists(os.path.join(FOLDER, "exit")):
        reap()
        time.sleep(0.005)
    if reap():
        with open(os.path.join(MACHINE_DIR, "reaped"), "w"):
            pass


if __name__ == "__main__":
    main()
