"""Every fault as a switch. Call names are ``<service>.<Action>``: ``ec2.RunInstances``, ``ssm.GetParameter``.

Numbers in comments are those of the project's fault catalogue.
"""

from __future__ import annotations

from tests.emulators.common.switches import Rule, SwitchBox, either, number, one_of, text, texts, whole, yes

LOST = ("500", "503", "timeout", "reset", "garbage")
CREATE = "ec2.RunInstances"
LIST = "ec2.DescribeInstances"
END = "ec2.TerminateInstances"
CREATES, LISTS, ENDS = (CREATE,), (LIST,), (END,)
FAILURES = (
    "Server.InternalError",
    "Server.InsufficientInstanceCapacity",
    "Client.VolumeLimitExceeded",
    "Client.InternalError",
)
"""Reasons of instances that go from pending to terminated."""

RULES = {
    # Creating (18).
    "create.lost": Rule(one_of(*LOST), CREATES),
    # Nothing is created; the token stays free.
    "create.fail": Rule(one_of(500, 503), CREATES),
    # Answered like create.lost, or 500; the instance shows so many seconds later, the token is taken at once.
    "create.late": Rule(number, CREATES),
    "instance.fails": Rule(one_of(*FAILURES), CREATES),
    "instance.stuck_pending": Rule(yes, CREATES),
    # Boots, but never runs its user-data.
    "instance.no_boot": Rule(yes, CREATES),
    # Seconds in which neither ids nor filters find a new instance.
    "describe.lag": Rule(number, CREATES),
    # Seconds until a new instance's tags show.
    "tags.lag": Rule(number, CREATES),
    # Everything, or patterns <type>@<zone>.
    "capacity.none": Rule(either(yes, texts), CREATES),
    "capacity.spot": Rule(either(yes, texts), CREATES),
    "capacity.on_demand": Rule(either(yes, texts), CREATES),
    "quota.spot": Rule(yes, CREATES),
    "quota.on_demand": Rule(yes, CREATES),
    # A factor on spot prices from then on: SpotMaxPriceTooLow follows by itself.
    "price.spot": Rule(number),
    # Lists and reads.
    "list.empty_once": Rule(yes, LISTS),
    # Number of the page (from 1) that is silently passed over.
    "list.drop_page": Rule(whole, LISTS),
    "list.mid_500": Rule(yes, LISTS),
    "list.not_found": Rule(yes, LISTS),
    # The state of so many seconds ago.
    "status.stale": Rule(number, LISTS),
    # Ending (19).
    "terminate.fail": Rule(one_of(500, 503), ENDS),
    "terminate.ignored": Rule(yes, ENDS),
    # Seconds more in shutting-down, or for ever.
    "end.stuck": Rule(either(yes, number)),
    # Volumes stay, and cost.
    "volume.left": Rule(yes),
    # Spot (19, 24). notice: two minutes before; sudden: none.
    "spot.kill": Rule(one_of("notice", "sudden"), once=True),
    "spot.rebalance": Rule(yes, once=True),
    # The request stays open when its instance ended, or fills again so many seconds later unless cancelled.
    "spot.left_open": Rule(yes),
    "spot.race": Rule(number),
    # Instances.
    "instance.reboot": Rule(yes, once=True),
    "instance.dies": Rule(yes, once=True),
    "instance.impaired": Rule(yes, ("ec2.DescribeInstanceStatus",)),
    "metadata.off": Rule(yes),
    # How many, or their names.
    "foreign_instances": Rule(either(whole, texts), once=True),
    # Keys and rights.
    "auth.failure": Rule(yes),
    "auth.expired": Rule(yes),
    # Patterns of <service>:<Action> that are refused.
    "auth.denied": Rule(texts),
    # Account whose credentials these are now.
    "auth.switch_account": Rule(text),
    # Seconds the service's clock is ahead of the caller's.
    "clock.skew": Rule(number),
    # Requests to S3 count as sent without TLS.
    "tls.off": Rule(yes),
    # Limits and the way.
    "throttle": Rule(yes),
    "outage": Rule(one_of("503", "refuse", "hang")),
    "latency": Rule(number),
    "body.cut": Rule(yes),
    "body.html": Rule(yes),
    "fields.new": Rule(yes),
    "redirect": Rule(text),
}


def box() -> SwitchBox:
    """Return switches that are all off."""
    return SwitchBox(RULES)
