"""What a client of one bucket is told, and the bounds it keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, SecretStr, StringConstraints

from messages.base import Record

MIB = 1 << 20
PART_BYTES_MAX = 64 * MIB
"""Proxies before stores answer 413 above some 100 MB (fact sheet 5.2)."""
PART_BYTES_MIN = 6 * MIB
"""Above S3's own least size of a part (5 MiB), and above what is sent in one piece."""

Endpoint = Annotated[str, StringConstraints(pattern=r"^https?://[^/?#\s]+$", max_length=300)]


class S3Settings(Record):
    """One bucket and how it is spoken to. Sizes in bytes, spans in seconds."""

    endpoint: Endpoint
    """Scheme and host, no path."""
    region: str = Field(pattern=r"^[A-Za-z0-9-]{1,64}$")
    bucket: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$")
    access_key: str = Field(default="", repr=False)
    """Empty where the client is given a source of keys."""
    secret_key: SecretStr = SecretStr("")
    bucket_in_host: bool = False
    """The bucket stands before the host (``https://bucket.host/key``) instead of in the path."""
    write_headers: Mapping[str, str] = Field(default_factory=dict)
    """Sent with every call that makes an object: how it is to be encrypted. Names in lower case."""
    denied: Mapping[str, str] = Field(default_factory=dict)
    """Call in words → what a refusal of it for want of rights is to say more."""
    has_conditions: bool = False
    """The store knows ``If-None-Match: *`` on writes, and no two writers can both make an object."""
    has_folders: bool = False
    """The store is a file system: a folder has its name for itself, stays when it is empty, and reads of it are 400."""
    part_bytes: int = Field(default=8 * MIB, ge=PART_BYTES_MIN, le=PART_BYTES_MAX)
    """Size of the first parts of an upload, and of the ranges of a download; later parts are larger."""
    window_bytes: int = Field(default=48 * MIB, ge=PART_BYTES_MIN)
    """Most bytes of one transfer that are held in memory; at least one part is, whatever its size."""
    concurrency: int = Field(default=8, ge=1, le=16)
    """Most parts or ranges of one transfer in flight. Some 48 at once end in 524 (fact sheet 5.2)."""
    tries: int = Field(default=5, ge=1, le=10)
    """How often a call that may be repeated is made before ``Unavailable``."""
    backoff_s: float = Field(default=0.5, gt=0)
    """Wait before the second try; doubled for each further one."""
    backoff_max_s: float = Field(default=10.0, gt=0)
    call_s: float = Field(default=30.0, gt=0)
    """Total for a call that moves no object."""
    silence_s: float = Field(default=60.0, gt=0)
    """Most time between two pieces of an answer."""
    rate_min: int = Field(default=256 * 1024, gt=0)
    """Bytes per second below which moving a body counts as stalled."""
    complete_s: float = Field(default=60.0, gt=0)
    """Least total for CompleteMultipartUpload; 5 s a GB are added, doubled at each try (fact sheet 5.2)."""
    unfinished_s: float = Field(default=10.0, gt=0)
    """Total for each call that cleans up after a failed or cancelled upload."""

    def moving_s(self, size_bytes: int) -> float:
        """Return the total deadline of a request that carries ``size_bytes``, either way."""
        return self.call_s + size_bytes / self.rate_min
