"""The step of ``lastcall setup aws`` that has AWS's bill tell machines apart, so that it can be held to the books.

It costs cents and can succeed only a day after the first machine: a run that makes things leaves it, a later one asks.
Without it everything works but ``lastcall cost --billed`` job by job.
"""

from __future__ import annotations

from typing import Final

from lastcall.owed import Owed, OwedNotes
from lastcall.setup.aws_wanted import Found
from lastcall.setup.ground import Ground
from lastcall.setup.steps import Person, Report, Step
from messages.money import human
from providers.aws.client import Client
from providers.aws.codec import NAME_TAG
from providers.aws.cost_tag import MOST_USD, Split, split_bill
from providers.aws.prices import COST_EXPLORER_USD
from providers.interface import ProviderError, Refused

SPLIT_KEY: Final = "aws.bill_split_for"
NAME: Final = "bill"
AGAIN: Final = "run it again a day after the first machine: AWS knows a tag only then"
_COST: Final = f"{human(MOST_USD)} at most"
_QUESTION: Final = f"Have AWS's bill tell machines apart (tag {NAME_TAG})? Asking costs {_COST}."
_REFUSED: Final = (
    "give the key that right; in an organization only its management account can: Billing, Cost allocation tags"
)


async def tell_apart(
    client: Client, found: Found, report: Report, person: Person, ground: Ground, *, ready: bool
) -> bool:
    """Say how AWS's bill is split, and have it split; return whether it is. Nothing here fails a setup.

    ``ready``: this run made nothing. What it costs is left for the daemon to book.
    """
    if ground.settings.aws.bill_split_for == found.account:
        report.tell(Step(NAME, "unchanged", "AWS's bill tells machines apart"))
        return True
    if report.dry_run:
        detail = f"would ask whether to have AWS's bill tell machines apart, once it knows {NAME_TAG}: {_COST}"
        report.tell(Step(NAME, "planned", detail))
        return False
    if not ready or not person.agrees(_QUESTION):
        advice = AGAIN if not ready else ""
        report.tell(Step(NAME, "skipped", "AWS's bill does not tell machines apart yet", advice))
        return False
    try:
        split = await split_bill(client, lambda: _owe(ground))
    except Refused as error:
        report.tell(Step(NAME, "skipped", str(error), _REFUSED))
        return False
    except (ProviderError, OSError) as error:
        report.tell(Step(NAME, "skipped", str(error), "run it again"))
        return False
    return _told(report, split)


def _owe(ground: Ground) -> None:
    """Note a request. Raises OSError."""
    owed = Owed(
        provider="aws",
        what="setup: a request about AWS's bill, a cent at most",
        amount_usd=COST_EXPLORER_USD,
        at=ground.clock.now(),
    )
    OwedNotes(ground.state_dir).leave(f"bill-{ground.entropy.bytes(8).hex()}", owed)


def _told(report: Report, split: Split) -> bool:
    if split is Split.UNKNOWN:
        report.tell(Step(NAME, "skipped", f"not known yet: AWS has not met the tag {NAME_TAG} in any bill", AGAIN))
    elif split is Split.NOW:
        report.tell(Step(NAME, "done", "AWS's bill tells machines apart from now on"))
    else:
        report.tell(Step(NAME, "unchanged", "AWS's bill tells machines apart"))
    return split is not Split.UNKNOWN
