"""Every bound of the admin socket, with its name and unit."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20

SOCKET_PATH_BYTES_MAX = 107
"""Longest Unix socket path on Linux: ``sun_path`` has 108 bytes, one of them the closing zero (unix(7))."""
CHUNK_BYTES_MAX = MIB
"""Largest piece of an upload or download held at once."""
CURSOR_CHARS_MAX = 200
REF_CHARS_MAX = 200
NAME_CHARS_MAX = 200
PS_ROWS_DEFAULT = 50
PS_ROWS_MAX = 1000


@dataclass(frozen=True, slots=True)
class Limits:
    """What one socket allows. The defaults are those of production."""

    json_body_bytes: int = MIB
    upload_bytes: int = 2 << 30
    """Largest data set; the grant of the storage actor may be smaller and then wins."""
    header_line_bytes: int = 8190
    headers_count: int = 64
    connections: int = 256
    """Connections at once; past it the one that has idled longest makes room."""
    backlog: int = 128
    idle_s: float = 30.0
    """A connection without a complete request for this long is cut, however it trickles."""
    sweep_s: float = 5.0
    """Between two looks for idle connections."""
    json_body_s: float = 10.0
    """To receive one JSON body."""
    upload_s: float = 3600.0
    """To receive one upload, in all."""
    upload_stall_s: float = 30.0
    """Between two pieces of an upload."""
    ask_s: float = 30.0
    """To get an answer from an actor that only looks something up or writes it down."""
    work_s: float = 900.0
    """To get an answer that takes work in a helper process: inspection, prediction.

    Longer than the longest of them (``actors.storage.parts.INSPECTION_S_MAX``).
    """
    moving_bytes_per_s: int = 250_000
    """Slowest way between this computer and a store that is waited for: below it a store's own client counts a
    transfer as stalled (``providers.s3.settings``)."""
    view_s: float = 30.0
    """To get an answer from the read side, a provider's listing included."""
    wait_s: float = 300.0
    """Longest single ``wait`` call; clients ask again."""
    first_item_s: float = 0.25
    """How long a stream's headers wait for its first item, so that a refusal can still be a problem."""
    stream_buffer_bytes: int = 256 << 10
    """What a stream's reader may leave unread in the daemon before it counts as slow."""
    stream_stall_s: float = 10.0
    """How long a slow reader may stay slow before it is cut; it can resume where it was."""
    linger_s: float = 10.0
    """How long the rest of a refused body is still read, so that its sender gets to see the answer."""
    stop_s: float = 5.0
    """To let answers in progress finish when the gateway stops."""
    audits_per_s: float = 5.0
    """Sustained rate of audited refusals; what exceeds it is counted in the next one."""
    audits_burst: int = 50

    def working_s(self, moved_bytes: int) -> float:
        """Return how long work may take for which so many bytes move to or from a store."""
        return self.work_s + moved_bytes / self.moving_bytes_per_s
