"""When S3 itself moves and deletes what lies in a bucket. Pure.

Rules whose id begins with ``lastcall-`` are ours; others stay as they are. Models go to Glacier *Instant Retrieval*:
from the other archives an object is first restored for hours, and a prediction would fail (``InvalidObjectState``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from providers.aws.resources.wanted import STALE_UPLOAD_DAYS, Wanted

OURS: Final = "lastcall-"
ARCHIVE: Final = "GLACIER_IR"
HEARTBEATS_DAYS: Final = 1
"""A running job replaces its heartbeat every few seconds, and each is an old version then."""

Rule = Mapping[str, Any]


def rules_of_data(wanted: Wanted) -> list[Rule]:
    """Return the rules of the bucket that keeps data, models and jobs."""
    return [
        _rule("datasets", f"{wanted.datasets}/", Expiration={"Days": wanted.datasets_expire_days}),
        _rule(
            "models",
            f"{wanted.models}/",
            Transitions=[{"Days": wanted.models_archive_days, "StorageClass": ARCHIVE}],
            Expiration={"Days": wanted.models_expire_days},
        ),
        _rule("jobs", f"{wanted.jobs}/", NoncurrentVersionExpiration={"NoncurrentDays": HEARTBEATS_DAYS}),
        _rule(
            "all",
            "",
            NoncurrentVersionExpiration={"NoncurrentDays": wanted.old_versions_days},
            AbortIncompleteMultipartUpload={"DaysAfterInitiation": STALE_UPLOAD_DAYS},
            Expiration={"ExpiredObjectDeleteMarker": True},
        ),
    ]


def rules_of_access_log(wanted: Wanted) -> list[Rule]:
    """Return the rules of the bucket that keeps the access log."""
    return [
        _rule(
            "access-log",
            "",
            Expiration={"Days": wanted.access_log_days},
            NoncurrentVersionExpiration={"NoncurrentDays": HEARTBEATS_DAYS},
            AbortIncompleteMultipartUpload={"DaysAfterInitiation": STALE_UPLOAD_DAYS},
        )
    ]


def merged(there: Iterable[Rule], wanted: Iterable[Rule]) -> list[Rule]:
    """Return somebody else's rules as they are, and ours as wanted."""
    return [*(one for one in there if not is_ours(one)), *wanted]


def amiss(there: Iterable[Rule], wanted: Iterable[Rule]) -> list[str]:
    """Return the ids of rules that are missing, differ, or are ours and no longer wanted."""
    found = {_id(one): plain(one) for one in there if is_ours(one)}
    meant = {_id(one): plain(one) for one in wanted}
    return sorted(name for name in found.keys() | meant.keys() if found.get(name) != meant.get(name))


def is_ours(rule: Rule) -> bool:
    """Say whether a setup made a rule."""
    return _id(rule).startswith(OURS)


def plain(rule: Rule) -> tuple[object, ...]:
    """Return what a rule means: S3 gives it back written in other ways than it was given."""
    expiration = rule.get("Expiration") or {}
    steps = rule.get("Transitions") or []
    return (
        rule.get("Status"),
        (rule.get("Filter") or {}).get("Prefix") or rule.get("Prefix") or "",
        expiration.get("Days"),
        bool(expiration.get("ExpiredObjectDeleteMarker")),
        sorted((step.get("Days", 0), step.get("StorageClass", "")) for step in steps),
        (rule.get("NoncurrentVersionExpiration") or {}).get("NoncurrentDays"),
        (rule.get("AbortIncompleteMultipartUpload") or {}).get("DaysAfterInitiation"),
    )


def _id(rule: Rule) -> str:
    return str(rule.get("ID", ""))


def _rule(name: str, prefix: str, **does: object) -> Rule:
    return {"ID": f"{OURS}{name}", "Status": "Enabled", "Filter": {"Prefix": prefix}, **does}
