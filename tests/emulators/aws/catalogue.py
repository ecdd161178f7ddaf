"""What EC2 has on offer: machine types, zones, images, and what they cost where (us-east-1 list prices of 2026)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from tests.emulators.aws.problems import Problem

REGIONS = {
    "us-east-1": "abcdef",
    "us-west-2": "abcd",
    "eu-west-1": "abc",
    "eu-central-1": "abc",
}
"""Region → the letters of its zones."""
FACTORS = {
    "us-east-1": Decimal(1),
    "us-west-2": Decimal(1),
    "eu-west-1": Decimal("1.12"),
    "eu-central-1": Decimal("1.20"),
}
SPOT_FACTOR = Decimal("0.38")
"""Spot over on-demand, until ``price.spot`` moves it."""
MIB = 1024


@dataclass(frozen=True)
class MachineType:
    """One instance type."""

    name: str
    vcpus: int
    memory_mib: int
    price: Decimal
    """USD per hour on demand in us-east-1, Linux."""
    gpu: str = ""
    gpu_count: int = 0
    gpu_mib: int = 0
    """Memory of one GPU."""
    zones: str = "abcdef"
    """Letters of the zones that offer it; not every zone has every type."""

    @property
    def family(self) -> str:
        """Return the quota it counts against."""
        return "G" if self.name[0] == "g" else "P" if self.name[0] == "p" else "Standard"


def _type(
    name: str, vcpus: int, gib: int, price: str, gpu: str = "", count: int = 0, gpu_gib: int = 0, zones: str = "abcdef"
) -> MachineType:
    return MachineType(name, vcpus, gib * MIB, Decimal(price), gpu, count, gpu_gib * MIB, zones)


TYPES = {
    one.name: one
    for one in (
        _type("t3.medium", 2, 4, "0.0416", zones="abcdf"),
        _type("t3.large", 2, 8, "0.0832", zones="abcdf"),
        _type("c5.large", 2, 4, "0.085"),
        _type("c5.xlarge", 4, 8, "0.17"),
        _type("m5.large", 2, 8, "0.096"),
        _type("m5.xlarge", 4, 16, "0.192"),
        _type("m5.2xlarge", 8, 32, "0.384"),
        _type("m5.4xlarge", 16, 64, "0.768"),
        _type("r5.large", 2, 16, "0.126"),
        _type("r5.xlarge", 4, 32, "0.252"),
        _type("g4dn.xlarge", 4, 16, "0.526", "T4", 1, 16, "abcdf"),
        _type("g5.xlarge", 4, 16, "1.006", "A10G", 1, 24, "abcdf"),
        _type("g5.2xlarge", 8, 32, "1.212", "A10G", 1, 24, "abcdf"),
        _type("g6.xlarge", 4, 16, "0.8048", "L4", 1, 24, "abcd"),
        _type("p3.2xlarge", 8, 61, "3.06", "V100", 1, 16, "bcdf"),
    )
}


@dataclass(frozen=True)
class Image:
    """A machine image that Amazon or another publisher shares."""

    key: str
    """Makes its id in each region."""
    name: str
    owner: str
    alias: str
    parameter: str
    """Name of the public Systems Manager parameter that holds the newest one's id."""
    root: str = "/dev/xvda"
    root_gb: int = 8


IMAGES = (
    Image(
        "a12023",
        "al2023-ami-2023.9.20261110.0-kernel-6.12-x86_64",
        "137112412989",
        "amazon",
        "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
    ),
    Image(
        "0b2404",
        "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20261105",
        "099720109477",
        "amazon",
        "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id",
        "/dev/sda1",
    ),
    Image(
        "0d1ea0",
        "Deep Learning Base OSS Nvidia Driver GPU AMI (Ubuntu 24.04) 20261101",
        "898082745236",
        "amazon",
        "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id",
        "/dev/sda1",
        65,
    ),
)


def image_id(image: Image, region: str) -> str:
    """Return an image's id; every region has its own."""
    return f"ami-{image.key}{list(REGIONS).index(region):011x}"


def find_image(wanted: str, region: str) -> Image:
    """Return an image of a region. Raises Problem."""
    if not wanted.startswith("ami-"):
        raise Problem("InvalidAMIID.Malformed", f'Invalid id: "{wanted}" (expecting "ami-...")')
    for image in IMAGES:
        if image_id(image, region) == wanted:
            return image
    raise Problem("InvalidAMIID.NotFound", f"The image id '[{wanted}]' does not exist")


def parameters(region: str) -> dict[str, str]:
    """Return the public parameters of a region."""
    return {image.parameter: image_id(image, region) for image in IMAGES}


def zones(region: str) -> list[str]:
    """Return the names of a region's zones."""
    return [f"{region}{letter}" for letter in REGIONS[region]]


def zones_of(kind: MachineType, region: str) -> list[str]:
    """Return the zones that offer a type."""
    return [zone for zone in zones(region) if zone[-1] in kind.zones]
