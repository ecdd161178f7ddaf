"""Instances really run their user-data, and never touch the computer they run on."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tests.emulators.aws.processes import private
from tests.emulators.common.launch import CHECKOUT
from tests.integration.aws_emulator.kit import Instances
from tests.support import processes
from tests.support.patience import wait_until


def test_user_data_runs_and_its_poweroff_terminates_the_instance(aws: Instances) -> None:
    instance_id = aws.start("#!/bin/sh\necho hello from $(hostname >/dev/null; echo inside)\nshutdown -h now\n")
    shown = aws.wait(instance_id, "terminated")
    assert shown["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"
    assert "hello from inside" in aws.console(instance_id)
    assert aws.emulator.control()["history"][0]["ended_by"] == "instance"


def test_a_planned_shutdown_comes_when_its_minutes_are_over_and_can_be_cancelled(aws: Instances) -> None:
    timed = aws.start("#!/bin/sh\nshutdown -h +3\necho armed\nsleep 600\n", "timed")
    kept = aws.start("#!/bin/sh\nshutdown -h +1\nshutdown -c\necho kept\nsleep 600\n", "kept")
    aws.says(kept, "kept")
    aws.wait(timed, "terminated")
    assert aws.state(kept) == "running"


def test_every_way_to_end_the_power_is_known_also_by_absolute_path(aws: Instances) -> None:
    ways = ["poweroff", "/sbin/shutdown -P now", "/usr/bin/systemctl poweroff", "systemctl start poweroff.target"]
    made = [aws.start(f"#!/bin/sh\n{way}\nsleep 600\n", f"way{n}") for n, way in enumerate([*ways, "init 0"])]
    for one in made:
        aws.wait(one, "terminated")


def test_halt_ends_the_programs_but_not_the_bill(aws: Instances) -> None:
    instance_id = aws.start("#!/bin/sh\necho up\nsleep 2\nhalt\nsleep 600\n")
    aws.says(instance_id, "up")
    assert processes.working_in(aws.disk(instance_id))
    wait_until(lambda: not processes.working_in(aws.disk(instance_id)), "halted")
    time.sleep(0.5)
    assert aws.state(instance_id) == "running"


def test_stopping_instead_of_terminating_keeps_the_disk(aws: Instances) -> None:
    script = "#!/bin/sh\ntouch /var/lib/kept\npoweroff\n"
    instance_id = aws.start(script, InstanceInitiatedShutdownBehavior="stop")
    assert aws.wait(instance_id, "stopped")["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"
    assert (aws.disk(instance_id) / "var/lib/kept").exists()


def test_nothing_of_an_ended_instance_lives_on_however_it_hides(aws: Instances) -> None:
    script = (
        "#!/bin/sh\nfor n in 1 2 3; do env -i setsid sh -c 'trap \"\" TERM; sleep 600 & sleep 600' & done\necho up\n"
    )
    instance_id = aws.start(script)
    aws.says(instance_id, "up")
    wait_until(lambda: len(processes.working_in(aws.emulator.root / "instances")) >= 7, "all started")
    aws.ec2.terminate_instances(InstanceIds=[instance_id])
    aws.wait(instance_id, "terminated")
    assert not processes.working_in(aws.emulator.root / "instances")


UNIT = """#!/bin/sh
cat > /etc/systemd/system/every-boot.service <<'END'
[Unit]
Description=at every boot
[Service]
Type=oneshot
Environment=WHAT=boot
ExecStart=/bin/sh -c 'echo $${WHAT}-here; date >> /var/lib/boots'
[Install]
WantedBy=multi-user.target
END
systemctl daemon-reload
systemctl enable --now every-boot.service
systemctl is-enabled every-boot
echo user-data ran
reboot
"""


def test_a_reboot_keeps_the_disk_runs_enabled_units_and_no_user_data(aws: Instances) -> None:
    instance_id = aws.start(UNIT)
    aws.says(instance_id, "boot 2")
    boots = aws.disk(instance_id) / "var/lib/boots"
    wait_until(lambda: boots.exists() and len(boots.read_text().splitlines()) == 2, "two boots")
    wait_until(lambda: "finished" in aws.console(instance_id).partition("boot 2")[2], "the second boot is over")
    console = aws.console(instance_id)
    assert console.count("user-data ran") == 1
    assert aws.state(instance_id) == "running"
    assert len(aws.emulator.control()["history"][0]["boots"]) == 2


def test_units_start_stop_and_wait_for_their_time(aws: Instances) -> None:
    script = """#!/bin/sh
cat > /etc/systemd/system/long.service <<'END'
[Service]
ExecStart=/bin/sleep 600
[Install]
WantedBy=multi-user.target
END
systemctl start long
systemctl is-active long
systemctl stop long
sleep 0.2
systemctl is-active long || echo stopped
systemctl start nothing || echo "code $?"
systemd-run --on-active=60 --unit=later systemctl poweroff
echo waiting
"""
    instance_id = aws.start(script)
    console = aws.says(instance_id, "waiting")
    assert "active\ninactive\nstopped\ncode 5" in console.replace("\r", "").replace(
        "Failed to start nothing.service: Unit nothing.service not found.\n", ""
    )
    aws.wait(instance_id, "terminated")


def test_paths_of_the_system_are_the_machines_own() -> None:
    script = (
        b"#!/bin/sh\nmkdir -p /etc/systemd/system /opt/x; cat /etc/os-release; /sbin/poweroff\necho s3://b/opt $A/etc"
    )
    changed = private(script, Path("/tmp/d"), Path("/tmp/c")).decode()
    assert "mkdir -p /tmp/d/etc/systemd/system /tmp/d/opt/x; cat /etc/os-release; /tmp/c/poweroff" in changed
    assert changed.endswith("echo s3://b/opt $A/etc")


def test_user_data_writes_nothing_outside_its_disk(aws: Instances) -> None:
    script = (
        "#!/bin/sh\necho x > /etc/lastcall-test-escape\necho $HOME > /root/home\n"
        "/usr/bin/apt-get install sl; echo apt $?\ndnf install sl; echo dnf $?\necho done\n"
    )
    instance_id = aws.start(script)
    console = aws.says(instance_id, "done")
    assert "apt 100" in console
    assert "dnf 100" in console
    disk = aws.disk(instance_id)
    assert not Path("/etc/lastcall-test-escape").exists()
    assert (disk / "etc/lastcall-test-escape").read_text() == "x\n"
    assert (disk / "root/home").read_text() == f"{disk}/root\n"


def test_docker_runs_what_the_image_is_said_to_run(aws: Instances) -> None:
    script = """#!/bin/sh
systemctl start docker
docker pull ours/training:1
docker run --rm -e KEY=given ours/training:1
mkdir -p /opt/job
echo 'echo mounted $0' > /opt/job/run.sh
docker run --rm -v /opt/job:/job ours/training:1 sh /job/run.sh
docker run --rm ours/training:1 sh -c 'exit 7'; echo "code $?"
docker run --rm ours/training:1 sh -c 'shutdown -h now || systemctl poweroff'; echo "power $?"
docker run --rm -e SECRET=x ours/training:1 sh -c 'tr "\\0" "\\n" </proc/$PPID/environ | grep -c SECRET'
docker run nobody/else; echo "code $?"
"""
    console = aws.says(aws.start(script), "code 125")
    for line in ("from the image\ngiven\n", "mounted ", "code 7\n", "power 127\n0\n"):
        assert line in console.replace("\r", "")


def test_a_machine_has_python_and_its_metadata_and_nothing_of_the_checkout(aws: Instances) -> None:
    script = """#!/bin/sh
T=$(python3 -c "
import os, urllib.request as r
base = os.environ['AWS_EC2_METADATA_SERVICE_ENDPOINT'].rstrip('/')
ttl = {'x-aws-ec2-metadata-token-ttl-seconds': '60'}
token = r.urlopen(r.Request(base + '/latest/api/token', headers=ttl, method='PUT')).read().decode()
held = {'x-aws-ec2-metadata-token': token}
print(r.urlopen(r.Request(base + '/latest/meta-data/instance-id', headers=held)).read().decode())
")
echo "I am $T"
python3 -c 'import sys; print("python of", sys.prefix, *sys.path)'
"""
    instance_id = aws.start(script)
    console = aws.says(instance_id, "python of")
    assert f"I am {instance_id}" in console
    assert f"python of {sys.base_prefix} " in console
    assert str(CHECKOUT) not in console


def test_a_spot_notice_reaches_the_machine_which_is_then_taken(aws: Instances) -> None:
    script = """#!/bin/sh
trap 'echo terminated by the host; exit' TERM
echo up
python3 -c "
import os, time, urllib.request as r
base = os.environ['AWS_EC2_METADATA_SERVICE_ENDPOINT'].rstrip('/')
ttl = {'x-aws-ec2-metadata-token-ttl-seconds': '60'}
token = r.urlopen(r.Request(base + '/latest/api/token', headers=ttl, method='PUT')).read().decode()
while True:
    try:
        print(r.urlopen(r.Request(base + '/latest/meta-data/spot/instance-action',
              headers={'x-aws-ec2-metadata-token': token})).read().decode(), flush=True)
        break
    except r.HTTPError:
        time.sleep(0.05)
" && echo noticed
sleep 600 & wait
"""
    instance_id = aws.start(script, spot=True)
    aws.says(instance_id, "up")
    aws.emulator.control({"faults": {"spot.kill": "notice"}})
    aws.says(instance_id, "noticed")
    assert aws.wait(instance_id, "terminated")["StateReason"]["Code"] == "Server.SpotInstanceTermination"
    assert '"action": "terminate"' in aws.console(instance_id)


def test_what_is_no_script_is_told_on_the_console(aws: Instances) -> None:
    instance_id = aws.start("#cloud-config\npackages: [git]\n")
    aws.says(instance_id, "nothing else is emulated")
    assert aws.disk(instance_id).is_dir()
