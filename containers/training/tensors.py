"""Weights as a safetensors file, without the library: JSON and raw numbers, so predictions need neither it nor PyTorch.

The form: eight bytes of length (little-endian), a JSON header of names with type, shape and place, then the numbers.
Source: the format's own description, huggingface/safetensors, README, "Format". Only 32-bit floats are written or read.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

HEADER_BYTES_MAX = 1 << 20
TYPE = "F32"
ITEM_BYTES = 4

Weights = dict[str, np.ndarray[Any, np.dtype[np.float32]]]


def packed(weights: Mapping[str, Any]) -> bytes:
    """Return the file's bytes."""
    header: dict[str, Any] = {}
    parts, place = [], 0
    for name, values in weights.items():
        data = np.ascontiguousarray(values, dtype="<f4").tobytes()
        header[name] = {"dtype": TYPE, "shape": list(np.shape(values)), "data_offsets": [place, place + len(data)]}
        parts.append(data)
        place += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(parts)


def unpacked(data: bytes) -> Weights:
    """Return what is in a file; raises ValueError where it is not exactly what ``packed`` writes."""
    try:
        (length,) = struct.unpack_from("<Q", data)
        if length > HEADER_BYTES_MAX or 8 + length > len(data):
            raise ValueError("its header is too long")
        header = json.loads(data[8 : 8 + length])
        found: Weights = {}
        place, body = 0, len(data) - 8 - length
        for name, one in header.items():
            shape, (begin, end) = tuple(one["shape"]), one["data_offsets"]
            if any(type(size) is not int or size < 0 for size in shape) or one["dtype"] != TYPE:
                raise ValueError(f"{str(name)[:40]!r} is of another kind")
            if begin != place or end - begin != ITEM_BYTES * math.prod(shape) or end > body:
                raise ValueError(f"{str(name)[:40]!r} lies somewhere else")
            found[str(name)] = np.frombuffer(data, "<f4", math.prod(shape), 8 + length + begin).reshape(shape)
            place = end
    except (struct.error, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"it is no such file ({type(error).__name__})") from error
    if place != body:
        raise ValueError("it holds more than it names")
    return found
