"""What a machine's image has that no job can bring."""

from __future__ import annotations

GPU_IMAGE = "lastcall-training-gpu"
"""The name of our image with PyTorch, whatever account it is published under."""


def brought_by(image: str | None) -> frozenset[str]:
    """Return the libraries that an image has and no job can bring, by the image's name."""
    name = (image or "").partition("@")[0].rpartition("/")[2].partition(":")[0]
    return frozenset({"torch"}) if name == GPU_IMAGE else frozenset()
