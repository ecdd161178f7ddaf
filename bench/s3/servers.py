"""Start a local S3 server for tests and benchmarks; every one listens on loopback only.

    with start("weed", workdir) as srv:
        srv.endpoint, srv.key, srv.secret, srv.pid

Programs are looked up on PATH, then beside the running interpreter, then in $S3_BIN
(colon-separated folders), so that one venv can hold them all.
Environment: S3_NODE_MODULES = folder holding node_modules with s3rver.
"""
from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

KEY, SECRET = "testkey-000000000000", "testsecret-0000000000000000000000000000"


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def weed_ports(n: int) -> list[int]:
    """weed derives its gRPC port as http+10000, so both must be free and < 65536."""
    out: list[int] = []
    p = 20000 + (os.getpid() * 37) % 20000
    while len(out) < n:
        p = p + 1 if p < 54000 else 20000
        ok = True
        for q in (p, p + 10000):
            with socket.socket() as s:
                try:
                    s.bind(("127.0.0.1", q))
                except OSError:
                    ok = False
        if ok:
            out.append(p)
    return out


def find(prog: str) -> str:
    clients = Path(__file__).resolve().parents[2] / ".dev/bench-s3/venv/bin"
    folders = [str(Path(sys.executable).parent), str(clients), *os.environ.get("S3_BIN", "").split(":")]
    for d in folders:
        if d and (Path(d) / prog).exists():
            return str(Path(d) / prog)
    p = shutil.which(prog)
    if p is None:
        raise FileNotFoundError(prog)
    return p


@dataclass
class Server:
    name: str
    endpoint: str
    proc: subprocess.Popen
    started_in: float = 0.0
    key: str = KEY
    secret: str = SECRET
    region: str = "us-east-1"
    log: Path | None = None
    extra: dict = field(default_factory=dict)

    @property
    def pid(self) -> int:
        return self.proc.pid

    def tree(self) -> list[int]:
        """pids of this server and its children."""
        pids, todo = [], [self.pid]
        while todo:
            p = todo.pop()
            pids.append(p)
            with contextlib.suppress(OSError):
                for t in os.listdir(f"/proc/{p}/task"):
                    with open(f"/proc/{p}/task/{t}/children") as f:
                        todo += [int(x) for x in f.read().split()]
        return pids

    def rss_mib(self) -> float:
        total = 0
        for p in self.tree():
            with contextlib.suppress(OSError):
                for line in open(f"/proc/{p}/status"):
                    if line.startswith("VmRSS"):
                        total += int(line.split()[1])
        return total / 1024

    def peak_mib(self) -> float:
        total = 0
        for p in self.tree():
            with contextlib.suppress(OSError):
                for line in open(f"/proc/{p}/status"):
                    if line.startswith("VmHWM"):
                        total += int(line.split()[1])
        return total / 1024

    def cpu_s(self) -> float:
        tck = os.sysconf("SC_CLK_TCK")
        total = 0
        for p in self.tree():
            with contextlib.suppress(OSError):
                f = open(f"/proc/{p}/stat").read().rsplit(")", 1)[1].split()
                total += int(f[11]) + int(f[12])
        return total / tck

    def stop(self) -> None:
        if self.proc.poll() is None:
            os.killpg(self.proc.pid, signal.SIGTERM)
            try:
                self.proc.wait(8)
            except subprocess.TimeoutExpired:
                os.killpg(self.proc.pid, signal.SIGKILL)
                self.proc.wait()
        for p in self.extra.get("ports", ()):      # weed leaves its unix sockets in /tmp, whatever TMPDIR says
            for q in (p, p + 10000):
                for f in Path("/tmp").glob(f"seaweedfs-*-{q}.sock"):
                    f.unlink(missing_ok=True)


def command(name: str, work: Path) -> tuple[list[str], str, dict, dict]:
    data = work / "data"
    data.mkdir(parents=True, exist_ok=True)
    env = dict(os.environ)
    for k in list(env):
        if k.startswith("AWS_"):
            del env[k]
    if name == "weed":
        s3, master, volume, filer = weed_ports(4)
        conf = work / "s3.json"
        conf.write_text(json.dumps({"identities": [{
            "name": "test", "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}))
        return ([find("weed"), "-logdir", str(work), "server", "-dir", str(data), "-ip", "127.0.0.1",
                 "-ip.bind", "127.0.0.1", "-master.port", str(master), "-volume.port", str(volume),
                 "-filer", "-filer.port", str(filer), "-s3", "-s3.port", str(s3), "-s3.config", str(conf),
                 "-s3.port.iceberg", "0", "-master.volumeSizeLimitMB", "1024", "-volume.max", "100",
                 "-master.telemetry=false", "-s3.allowDeleteBucketNotEmpty=false",
                 "-s3.autoCreateBucket=false"],
                f"http://127.0.0.1:{s3}", env, {"ports": [s3, master, volume, filer]})
    if name == "weed-mini":
        s3, master, volume, filer, admin = weed_ports(5)
        env.update(AWS_ACCESS_KEY_ID=KEY, AWS_SECRET_ACCESS_KEY=SECRET)
        return ([find("weed"), "-logdir", str(work), "mini", "-dir", str(data), "-ip", "127.0.0.1", "-ip.bind",
                 "127.0.0.1", "-master.port", str(master), "-volume.port", str(volume), "-filer.port", str(filer),
                 "-s3.port", str(s3), "-admin.port", str(admin), "-admin.ui=false", "-webdav=false",
                 "-s3.port.iceberg", "0", "-s3.port.lance", "0", "-s3.allowDeleteBucketNotEmpty=false",
                 "-s3.autoCreateBucket=false", "-master.telemetry=false"],
                f"http://127.0.0.1:{s3}", env, {"ports": [s3, master, volume, filer, admin]})
    p = free_port()
    ep = f"http://127.0.0.1:{p}"
    if name == "moto":
        return [find("moto_server"), "-H", "127.0.0.1", "-p", str(p)], ep, env, {}
    if name == "rclone":
        return ([find("rclone"), "serve", "s3", str(data), "--addr", f"127.0.0.1:{p}", "--auth-key",
                 f"{KEY},{SECRET}", "--config", "/dev/null", "--vfs-cache-mode", "off"], ep, env, {})
    if name == "s3rver":
        nm = Path(os.environ.get("S3_NODE_MODULES", "."))
        return (["node", str(nm / "node_modules/s3rver/bin/s3rver.js"), "-d", str(data), "-a", "127.0.0.1", "-p",
                 str(p), "-s", "--no-vhost-buckets"], ep, env, {"key": "S3RVER", "secret": "S3RVER"})
    raise ValueError(name)


def http_ready(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=2).read()
        return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def s3_ready(srv: Server) -> bool:
    import botocore.session
    from botocore.config import Config
    c = botocore.session.Session().create_client(
        "s3", endpoint_url=srv.endpoint, aws_access_key_id=srv.key, aws_secret_access_key=srv.secret,
        region_name=srv.region, config=Config(retries={"max_attempts": 0}, connect_timeout=2, read_timeout=5,
                                              s3={"addressing_style": "path"}))
    try:
        try:
            c.create_bucket(Bucket="ready-check")
        except c.exceptions.ClientError as e:      # a restarted server still has it
            if e.response["Error"]["Code"] not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                raise
        c.put_object(Bucket="ready-check", Key="k", Body=b"x")
        c.delete_object(Bucket="ready-check", Key="k")
        return True
    except Exception:
        return False


@contextlib.contextmanager
def start(name: str, work: str | Path, timeout: float = 60):
    work = Path(work)
    work.mkdir(parents=True, exist_ok=True)
    cmd, ep, env, extra = command(name, work)
    log = work / "server.log"
    t0 = time.perf_counter()
    with open(log, "wb") as lf:
        proc = subprocess.Popen(cmd, stdout=lf, stderr=subprocess.STDOUT, env=env, cwd=work, start_new_session=True)
    srv = Server(name, ep, proc, log=log, extra=extra, key=extra.get("key", KEY), secret=extra.get("secret", SECRET))
    try:
        while not http_ready(ep):
            if proc.poll() is not None or time.perf_counter() - t0 > timeout:
                raise RuntimeError(f"{name} did not start: {log.read_text()[-1500:]}")
            time.sleep(0.02)
        srv.extra["http_ready_s"] = time.perf_counter() - t0
        while not s3_ready(srv):
            if proc.poll() is not None or time.perf_counter() - t0 > timeout:
                raise RuntimeError(f"{name} refused its first bucket: {log.read_text()[-1500:]}")
            time.sleep(0.05)
        srv.started_in = time.perf_counter() - t0
        yield srv
    finally:
        srv.stop()


if __name__ == "__main__":
    import tempfile
    for n in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as d:
            try:
                with start(n, d) as s:
                    time.sleep(1)
                    print(f"{n}: http {s.extra['http_ready_s']:.2f} s, first put {s.started_in:.2f} s, rss {s.rss_mib():.0f} MiB, "
                          f"{len(s.tree())} process(es)", flush=True)
            except Exception as e:
                print(n, "FAILED", str(e)[:1500], flush=True)
