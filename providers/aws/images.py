"""The image that instances start from: the pinned one, or the newest that its publisher names by a public parameter."""

from __future__ import annotations

from typing import Final, NamedTuple

from providers.aws.client import Call, Client
from providers.fields import text
from providers.interface import NotFound, Refused, Unavailable

UBUNTU: Final = "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id"
"""Python 3.12; Amazon Linux 2023 has 3.9 as its system's ("Find Ubuntu images", Canonical)."""
UBUNTU_GPU: Final = "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id"
"""The same with NVIDIA's drivers ("AWS Deep Learning Base AMI")."""
FRESH_S: Final = 3_600.0
"""How long an answer about an image holds."""


class Image(NamedTuple):
    """An image and what a create must say of it."""

    id: str
    root_device: str
    disk_gb_min: int
    """Size of its snapshot: the disk cannot be smaller."""


class Images:
    """Looks up images, and remembers them for an hour."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._found: dict[bool, tuple[float, Image]] = {}

    async def image(self, *, gpu: bool) -> Image:
        """Return the image for an instance with or without GPU. Raises Refused or Unavailable."""
        now = self._client.clock.monotonic()
        known = self._found.get(gpu)
        if known is not None and now - known[0] < FRESH_S:
            return known[1]
        pinned = self._client.settings.ami
        found = await self._described(pinned or await self._newest(UBUNTU_GPU if gpu else UBUNTU))
        self._found[gpu] = (now, found)
        return found

    async def _newest(self, parameter: str) -> str:
        what = "for the newest image"
        try:
            said = await self._client.read(Call("ssm", "GetParameter", {"Name": parameter}), what)
        except NotFound as error:
            raise Refused(f"this region publishes no image as {parameter}: set aws.ami") from error
        value = said.get("Parameter")
        found = text(value.get("Value")) if isinstance(value, dict) else None
        if found is None or not found.startswith("ami-"):
            raise Unavailable(f"AWS's answer when asked {what} could not be read")
        return found

    async def _described(self, image_id: str) -> Image:
        what = f"about the image {image_id}"
        try:
            said = await self._client.read(Call("ec2", "DescribeImages", {"ImageIds": [image_id]}), what)
        except NotFound as error:
            raise Refused(f"there is no image {image_id} in this region: check aws.ami") from error
        images = said.get("Images")
        if not isinstance(images, list) or len(images) != 1 or not isinstance(images[0], dict):
            raise Refused(f"there is no image {image_id} in this region: check aws.ami")
        root = text(images[0].get("RootDeviceName")) or "/dev/sda1"
        return Image(image_id, root, _snapshot_gb(images[0].get("BlockDeviceMappings"), root))


def _snapshot_gb(mappings: object, root: str) -> int:
    for mapping in mappings if isinstance(mappings, list) else ():
        ebs = mapping.get("Ebs") if isinstance(mapping, dict) and mapping.get("DeviceName") == root else None
        size = ebs.get("VolumeSize") if isinstance(ebs, dict) else None
        if isinstance(size, int):
            return size
    return 1
