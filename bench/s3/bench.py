"""S3 client throughput on loopback, every client its own process, repeats interleaved in a shuffled order.

    bench.py --server weed-mini --arms aws-cli,boto3-10,s5cmd,aio-8,... --repeats 3 --size-mib 1024 --small 2000 --out r.json

$S3_BIN: extra folders for weed/s5cmd/aws (colon-separated).  Extra arms: --arm NAME='cmd with {op} {path}'.
"""
from __future__ import annotations

import argparse
import filecmp
import json
import os
import random
import shlex
import shutil
import socket
import statistics as st
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import servers

CLIENTS = HERE.parents[1] / ".dev/bench-s3/venv"      # the other clients live here, see README.md
PYTHON = str(CLIENTS / "bin/python") if (CLIENTS / "bin/python").exists() else sys.executable
MIB = 1 << 20


def arm_cmd(arm, op, path, srv, extra):
    if arm in extra:
        return shlex.split(extra[arm].format(op=op, path=path))
    if arm == "aws-cli":
        base = [servers.find("aws"), "--endpoint-url", srv.endpoint, "s3", "cp", "--quiet"]
        return base + {"up": [path, "s3://bench/big"], "down": ["s3://bench/big", path],
                       "smallup": ["--recursive", path, "s3://bench/small/"],
                       "smalldown": ["--recursive", "s3://bench/small/", path]}[op]
    if arm == "s5cmd":
        exe = next((p for p in Path(PYTHON).parent.parent.glob("lib/python*/site-packages/s5cmd/bin/s5cmd")), None) \
            or servers.find("s5cmd")
        b = [str(exe), "--endpoint-url", srv.endpoint, "--log", "error"]
        return b + {"up": ["cp", "-p", "8", "-c", "8", path, "s3://bench/big"],
                    "down": ["cp", "-p", "8", "-c", "8", "s3://bench/big", path],
                    "smallup": ["cp", path + "/", "s3://bench/small/"],
                    "smalldown": ["cp", "s3://bench/small/*", path + "/"]}[op]
    return [PYTHON, str(HERE / "arms.py"), arm, op, path]


# A forked child's peak memory starts at its parent's size, so a bare interpreter does the forking.
LAUNCH = """import os,sys,time,json
t=time.perf_counter()
p=os.posix_spawnp(sys.argv[1],sys.argv[1:],os.environ)
_,s,r=os.wait4(p,0)
print(json.dumps(dict(wall=time.perf_counter()-t,cpu=r.ru_utime+r.ru_stime,peak_mib=r.ru_maxrss/1024,rc=os.waitstatus_to_exitcode(s))))
"""


def run_child(cmd, env):
    p = subprocess.run([sys.executable, "-I", "-S", "-c", LAUNCH, *cmd], env=env, capture_output=True)
    lines = p.stdout.splitlines()
    r = json.loads(lines[-1])
    for line in lines[:-1]:
        try:
            r.update(json.loads(line))
        except ValueError:
            pass
    if r["rc"]:
        r["err"] = (p.stderr or p.stdout).decode(errors="replace")[-400:]
    return r


def limits(path, size, tmp):
    """raw loopback (sendfile to a socket that is read and dropped, other process) and disk."""
    code = ("import socket,sys,time\ns=socket.socket();s.bind(('127.0.0.1',0));s.listen();print(s.getsockname()[1],flush=True)\n"
            "c,_=s.accept();b=bytearray(1<<20);n=0\nwhile True:\n r=c.recv_into(b)\n if not r: break\n n+=r\nprint(n)")
    out = {}
    best = []
    for _ in range(3):
        p = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        port = int(p.stdout.readline())
        s = socket.create_connection(("127.0.0.1", port))
        t = time.perf_counter()
        with open(path, "rb") as f:
            s.sendfile(f)
        s.shutdown(socket.SHUT_WR)
        p.stdout.readline()
        best.append(size / (time.perf_counter() - t) / 1e6)
        s.close()
        p.wait()
    out["loopback_sendfile_MBps"] = best
    rd = []
    for _ in range(2):
        t = time.perf_counter()
        subprocess.run(["dd", f"if={path}", "of=/dev/null", "bs=8M", "iflag=direct"], check=True, capture_output=True)
        rd.append(size / (time.perf_counter() - t) / 1e6)
    out["disk_direct_read_MBps"] = rd
    w = []
    for _ in range(2):
        t = time.perf_counter()
        subprocess.run(["dd", f"if={path}", f"of={tmp}/w", "bs=8M", "conv=fsync"], check=True, capture_output=True)
        w.append(size / (time.perf_counter() - t) / 1e6)
    os.unlink(f"{tmp}/w")
    out["disk_write_fsync_MBps"] = w
    t = time.perf_counter()
    subprocess.run(["cat", str(path)], stdout=subprocess.DEVNULL, check=True)
    t = time.perf_counter()
    subprocess.run(["dd", f"if={path}", "of=/dev/null", "bs=1M"], check=True, capture_output=True)
    out["page_cache_read_MBps"] = [size / (time.perf_counter() - t) / 1e6]
    return out


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--server", default="weed-mini")
    ap.add_argument("--arms", default="aws-cli,boto3-10,s5cmd,awscrt,aio-8,aio-16,aio-8-lean,presign-8")
    ap.add_argument("--arm", action="append", default=[], help="NAME=command with {op} and {path}")
    ap.add_argument("--ops", default="up,down,smallup,smalldown")
    ap.add_argument("--repeats", type=int, default=3)
    ap.add_argument("--size-mib", type=int, default=1024)
    ap.add_argument("--small", type=int, default=2000)
    ap.add_argument("--out", default="")
    a = ap.parse_args()
    if PYTHON == sys.executable and a.arms:
        sys.exit("bench: the other clients are missing; bench/s3/README.md says how to get them")
    extra = dict(x.split("=", 1) for x in a.arm)
    arms = [x for x in a.arms.split(",") if x] + list(extra)
    rnd = random.Random(7)
    tmp = Path(tempfile.mkdtemp(prefix="s3bench-", dir=os.environ.get("B_TMP")))
    rows = []
    try:
        big, small = tmp / "big", tmp / "small"
        with open(big, "wb") as f:
            for _ in range(a.size_mib):
                f.write(rnd.randbytes(MIB))
        small.mkdir()
        for i in range(a.small):
            (small / f"o{i:05d}").write_bytes(rnd.randbytes(4096))
        lim = limits(big, a.size_mib * MIB, tmp)
        print(json.dumps(lim), flush=True)
        with servers.start(a.server, tmp / "srv") as srv:
            import botocore.session
            from botocore.config import Config
            c = botocore.session.Session().create_client(
                "s3", endpoint_url=srv.endpoint, aws_access_key_id=srv.key, aws_secret_access_key=srv.secret,
                region_name=srv.region, config=Config(s3={"addressing_style": "path"}))
            c.create_bucket(Bucket="bench")
            env = dict(os.environ, B_ENDPOINT=srv.endpoint, B_KEY=srv.key, B_SECRET=srv.secret, B_REGION=srv.region,
                       B_BUCKET="bench", B_SMALL_N=str(a.small), AWS_ACCESS_KEY_ID=srv.key,
                       AWS_SECRET_ACCESS_KEY=srv.secret, AWS_DEFAULT_REGION=srv.region, AWS_EC2_METADATA_DISABLED="true",
                       AWS_CONFIG_FILE=str(tmp / "awsconf"), AWS_SHARED_CREDENTIALS_FILE=str(tmp / "none"))
            (tmp / "awsconf").write_text("[default]\ns3 =\n  addressing_style = path\n  multipart_chunksize = 8MB\n"
                                         "  max_concurrent_requests = 10\n")
            for rep in range(a.repeats):
                for op in a.ops.split(","):
                    order = arms[:]
                    rnd.shuffle(order)
                    for arm in order:
                        dst = tmp / "out"
                        if dst.is_dir():
                            shutil.rmtree(dst)
                        elif dst.exists():
                            dst.unlink()
                        path = str({"up": big, "smallup": small}.get(op, dst))
                        if op == "smalldown":
                            dst.mkdir()
                        if op in ("up", "smallup"):   # a put must make a new object, never replace one
                            pre = "big" if op == "up" else "small/"
                            while True:
                                ks = c.list_objects_v2(Bucket="bench", Prefix=pre).get("Contents", [])
                                if not ks:
                                    break
                                c.delete_objects(Bucket="bench", Delete={"Objects": [{"Key": k["Key"]} for k in ks]})
                        time.sleep(0.5)
                        cpu0 = srv.cpu_s()
                        r = run_child(arm_cmd(arm, op, path, srv, extra), env)
                        r.update(arm=arm, op=op, rep=rep, srv_cpu=srv.cpu_s() - cpu0)
                        ok = r["rc"] == 0
                        if ok and op == "down":
                            ok = filecmp.cmp(big, dst, shallow=False)
                        elif ok and op == "smalldown":
                            ok = all((dst / p.name).exists() and filecmp.cmp(p, dst / p.name, shallow=False) for p in small.iterdir())
                        elif ok and op == "up":
                            ok = c.head_object(Bucket="bench", Key="big")["ContentLength"] == a.size_mib * MIB
                        elif ok and op == "smallup":
                            n = sum(pg.get("KeyCount", 0) for pg in c.get_paginator("list_objects_v2").paginate(
                                Bucket="bench", Prefix="small/"))
                            ok = n == a.small
                        r["ok"] = ok
                        rows.append(r)
                        print(f"{rep} {op:9s} {arm:14s} wall {r['wall']:6.2f} s  inner {r.get('inner_s', 0):6.2f} s  "
                              f"cpu {r['cpu']:6.2f} s  server cpu {r['srv_cpu']:6.2f} s  peak {r['peak_mib']:5.0f} MiB  "
                              f"{'ok' if ok else 'BAD ' + r.get('err', '')}", flush=True)
            print(f"server peak {srv.peak_mib():.0f} MiB")
        print()
        for op in a.ops.split(","):
            print(f"{op}: median over {a.repeats} (min-max)   unit: " + ("MB/s" if op in ("up", "down") else "objects/s"))
            for arm in arms:
                rs = [r for r in rows if r["arm"] == arm and r["op"] == op and r["ok"]]
                if not rs:
                    print(f"  {arm:14s} no good run")
                    continue
                amount = a.size_mib * MIB / 1e6 if op in ("up", "down") else a.small
                v = [amount / r["wall"] for r in rs]
                vi = [amount / r["inner_s"] for r in rs if r.get("inner_s")]
                print(f"  {arm:14s} {st.median(v):7.0f} ({min(v):.0f}-{max(v):.0f})  inside "
                      f"{(st.median(vi) if vi else 0):7.0f}  client cpu {st.median(r['cpu'] for r in rs):6.2f} s  "
                      f"server cpu {st.median(r['srv_cpu'] for r in rs):6.2f} s  peak {max(r['peak_mib'] for r in rs):5.0f} MiB")
        if a.out:
            Path(a.out).write_text(json.dumps(dict(limits=lim, rows=rows), indent=1))
    finally:
        shutil.rmtree(tmp, ignore_errors=True)


if __name__ == "__main__":
    main()
