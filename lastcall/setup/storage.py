"""Whether the volume can be written, read and emptied through S3, and what it means when not."""

from __future__ import annotations

from typing import Final

from lastcall.setup.steps import Report, Step
from providers.interface import NotFound, ProviderError, StorageFull
from providers.runpod.storage import RunPodStorage
from providers.s3.errors import ClockWrong, Denied, KeyWrong, RegionWrong

NO_SUCH_KEY: Final = "lastcall-setup-no-such-file"
_FULL: Final = "make the volume larger in RunPod's console, or remove data from it"

ADVICE: Final[tuple[tuple[type[ProviderError], str], ...]] = (
    (KeyWrong, "check both S3 keys; they are made in RunPod's console, Settings, S3 API keys"),
    (ClockWrong, "set this computer's clock: no signature holds with a wrong one"),
    (RegionWrong, "set runpod.data_center to where the volume lies, or leave it out"),
    (StorageFull, _FULL),
    (Denied, "the S3 keys must belong to the account of the volume"),
)
"""Error → what to do about it; the first that fits."""


def advice(error: ProviderError) -> str:
    """Return what to do about an error of the storage."""
    fitting = (words for kind, words in ADVICE if isinstance(error, kind))
    return next(fitting, "try again; if it stays so, see whether RunPod's S3 API is up")


async def reads(storage: RunPodStorage) -> None:
    """Ask for a file that cannot be there, which changes nothing. Raises ProviderError unless that is the answer."""
    try:
        await storage.stat(NO_SUCH_KEY)
    except NotFound:
        return


async def check_storage(storage: RunPodStorage, report: Report, *, writing: bool) -> bool:
    """Probe the volume, tell the outcome, and return whether it is good."""
    try:
        await (storage.probe() if writing else reads(storage))
    except ProviderError as error:
        report.tell(Step("storage", "failed", str(error), advice(error)))
        return False
    detail = "written, read and deleted a file" if writing else "readable; would write, read and delete a file"
    report.tell(Step("storage", "done", detail))
    return True
