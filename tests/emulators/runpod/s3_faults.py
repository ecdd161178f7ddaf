"""The switches of the S3 endpoint: one for everything that is known to go wrong there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields

from tests.emulators.runpod.s3_switch import Switch


def _off(default: float | str = "", *choices: str) -> Callable[[], Switch]:
    return lambda: Switch(default, choices, value=default)


@dataclass
class S3Faults:
    """Every switch, by name. Section numbers are those of the fact sheet, C-numbers those of the fault catalogue."""

    outage: Switch = field(default_factory=_off("reset", "reset", "hang", "503"))
    """The endpoint cannot be reached."""
    transient: Switch = field(default_factory=_off("503", "403", "502", "503"))
    """A passing refusal, before anything is done (5.2)."""
    wrong_region: Switch = field(default_factory=_off())
    """No region is the right one (C39)."""
    clock_skew: Switch = field(default_factory=_off(7200.0))
    """Seconds by which the server's clock is ahead (C39)."""
    too_large: Switch = field(default_factory=_off(50_000_000))
    """Bytes above which the edge answers 413 to a body (5.2, C42)."""
    stalled: Switch = field(default_factory=_off())
    """An upload is never answered and leaves nothing (C42)."""
    full: Switch = field(default_factory=_off())
    """The volume is full: 507 to uploads, old sizes in HEAD and lists (5.1, C38)."""
    truncated: Switch = field(default_factory=_off(0.5))
    """The part of an upload that is kept, though it is answered well (C36)."""
    vanished: Switch = field(default_factory=_off())
    """An upload is answered well and is not there (5.2, C36)."""
    bit_flipped: Switch = field(default_factory=_off(0.5))
    """Where in a download a bit is wrong: 0 the first byte, 1 the last (C40)."""
    cut: Switch = field(default_factory=_off())
    """A download breaks in the middle."""
    delete_lost: Switch = field(default_factory=_off("524", "524", "502", "timeout", "reset"))
    """DeleteObject is done, and answered like this (5.2, C41)."""
    complete_slow: Switch = field(default_factory=_off(120.0))
    """Seconds until CompleteMultipartUpload is answered (5.2)."""
    complete_lost: Switch = field(default_factory=_off("524", "524", "502", "timeout", "reset"))
    """CompleteMultipartUpload is done, and answered like this (5.2, C35)."""
    parts_lost: Switch = field(default_factory=_off(1))
    """How many parts are gone at Complete, the first ones (5.2)."""
    copy_unsupported: Switch = field(default_factory=_off())
    """CopyObject is not implemented (5.2)."""
    condition_honoured: Switch = field(default_factory=_off())
    """``If-None-Match: *`` of a PUT is heeded; undocumented, so ignored else (5.2)."""
    list_token_repeated: Switch = field(default_factory=_off())
    """A list goes on with the token it was asked with (5.2, C37)."""
    list_duplicates: Switch = field(default_factory=_off())
    """A page begins with a key that was there already (5.2)."""
    list_prefix_ignored: Switch = field(default_factory=_off())
    """A list without Delimiter ignores Prefix (5.2)."""
    list_empty: Switch = field(default_factory=_off(60.0))
    """Seconds for which a list with Delimiter does not show a new prefix (5.2)."""
    list_stale: Switch = field(default_factory=_off(30.0))
    """Seconds by which lists are behind (C37)."""
    list_slow: Switch = field(default_factory=_off(120.0))
    """Seconds a list takes (5.2)."""
    list_file_echoed: Switch = field(default_factory=_off())
    """``Prefix=file/`` shows an entry of that name (5.2)."""
    list_uploads_shown: Switch = field(default_factory=_off())
    """The hidden area of unfinished uploads is listed."""

    def merge(self, document: object, now: float) -> None:
        """Set the switches that are named, all or none. Errors: ValueError."""
        if not isinstance(document, Mapping):
            raise ValueError("expected an object of switches")
        names = {one.name for one in fields(self)}
        for trial in (True, False):
            for name, wanted in document.items():
                if name not in names:
                    raise ValueError(f"there is no switch {name!r}")
                switch = getattr(self, name)
                try:
                    (Switch(switch.default, switch.choices) if trial else switch).set(wanted, now)
                except ValueError as error:
                    raise ValueError(f"{name}: {error}") from error

    def clear(self) -> None:
        """Switch everything off; hits stay."""
        for one in fields(self):
            getattr(self, one.name).set(None, 0.0)

    def as_json(self) -> dict[str, dict[str, object]]:
        """Return every switch as it is now."""
        return {one.name: getattr(self, one.name).as_json() for one in fields(self)}
