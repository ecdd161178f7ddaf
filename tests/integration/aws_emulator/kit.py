"""boto3 on an emulator that runs as a process of its own."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from botocore.config import Config

from tests.emulators.aws.launch import Emulator
from tests.emulators.aws.settings import MAIN_KEY, MAIN_SECRET
from tests.support.patience import wait_until

boto3: Any = importlib.import_module("boto3")
"""It has no types, and is here for tests only."""

FAST: dict[str, Any] = {
    "pending_s": 0.05,
    "boot_s": 0.05,
    "shutting_down_s": 0.6,
    "stopping_s": 0.6,
    "grace_s": 0.4,
    "reboot_s": 0.6,
    "notice_s": 2.0,
    "minute_s": 0.3,
    "containers": {
        "ours/training:*": {"command": ["sh", "-c", "echo from the image; echo $KEY"], "env": {"KEY": "of the image"}}
    },
}


class Instances:
    """Launches and reads instances of one emulator."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self._clients: list[Any] = []
        self.ec2 = self.client("ec2")

    def client(self, service: str, access: str = MAIN_KEY, secret: str = MAIN_SECRET, token: str | None = None) -> Any:
        made = boto3.client(
            service,
            region_name="us-east-1",
            endpoint_url=self.emulator.urls["aws"],
            aws_access_key_id=access,
            aws_secret_access_key=secret,
            aws_session_token=token,
            config=Config(retries={"total_max_attempts": 1}, read_timeout=60, s3={"addressing_style": "path"}),
        )
        self._clients.append(made)
        return made

    def close(self) -> None:
        for one in self._clients:
            one.close()

    def start(self, script: str, name: str = "lc1", spot: bool = False, **more: Any) -> str:
        """Launch an instance with this user-data."""
        tags = [{"Key": "lastcall:name", "Value": name}]
        if spot:
            more["InstanceMarketOptions"] = {"MarketType": "spot", "SpotOptions": {"SpotInstanceType": "one-time"}}
        made = self.ec2.run_instances(
            **{
                "ImageId": "ami-a1202300000000000",
                "InstanceType": "m5.large",
                "MinCount": 1,
                "MaxCount": 1,
                "ClientToken": name,
                "InstanceInitiatedShutdownBehavior": "terminate",
                "UserData": script,
                "TagSpecifications": [{"ResourceType": "instance", "Tags": tags}],
                **more,
            }
        )
        return str(made["Instances"][0]["InstanceId"])

    def get(self, instance_id: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]
        return dict(found["Instances"][0])

    def state(self, instance_id: str) -> str:
        return str(self.get(instance_id)["State"]["Name"])

    def wait(self, instance_id: str, state: str) -> Mapping[str, Any]:
        wait_until(lambda: self.state(instance_id) == state, f"{instance_id} {state}")
        return self.get(instance_id)

    def console(self, instance_id: str) -> str:
        return str(self.ec2.get_console_output(InstanceId=instance_id, Latest=True)["Output"])

    def disk(self, instance_id: str) -> Path:
        return self.emulator.root / "instances" / instance_id / "disk"

    def says(self, instance_id: str, what: str) -> str:
        """Return the console as soon as it holds a text."""
        wait_until(
            lambda: what in self.console(instance_id), lambda: f"{what!r} on the console: {self.console(instance_id)}"
        )
        return self.console(instance_id)
