"""Why an instance is in its state, in plain words ("StateReason" of the EC2 API reference)."""

from __future__ import annotations

from typing import Final

from providers.aws.problems import plain

_WORDS: Final = {
    "Server.SpotInstanceTermination": "AWS took the spot instance back",
    "Server.SpotInstanceShutdown": "AWS took the spot instance back",
    "Server.InsufficientInstanceCapacity": "AWS had no machine of this type left",
    "Server.InternalError": "AWS failed while starting it",
    "Server.ScheduledStop": "AWS stopped it, as it had announced",
    "Client.InstanceInitiatedShutdown": "it powered itself off",
    "Client.InstanceTerminated": "it was ended on request",
    "Client.UserInitiatedShutdown": "it was ended on request",
    "Client.InternalError": "AWS could not start it; most often its disk's KMS key may not be used",
    "Client.InvalidSnapshot.NotFound": "the image's snapshot is gone",
    "Client.VolumeLimitExceeded": "the account may have no more disks",
}


def words(code: str | None, message: str | None) -> str:
    """Return what a state's reason means; what is not known here comes as AWS says it."""
    if code in (None, "pending"):
        return ""
    return _WORDS.get(code or "") or plain(message or code or "")
