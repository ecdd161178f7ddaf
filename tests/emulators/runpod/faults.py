"""Every fault of the control plane as a switch; call names are those of the routes: ``pods.create``, ``graphql.*``.

Numbers in comments are those of the project's fault catalogue.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_type_hints

from tests.emulators.common.switches import Rule, SwitchBox, either, number, one_of, text, texts, whole, yes
from tests.emulators.common.switches import Switch as Switch

Lost = Literal["500", "502", "timeout", "reset", "garbage"]
ENDS = ("pods.delete", "pods.action.terminate", "graphql.podTerminate")
CREATES = ("pods.create",)
LISTS = ("pods.list",)
READS = ("pods.get", "pods.list")


@dataclass(frozen=True)
class Faults:
    """The faults that are on; ``None`` is off."""

    # Creating (1, 2, 11, 17, 27, 77).
    create_accept_then: Annotated[
        Switch[Lost] | None, "create.accept_then", Rule(one_of("500", "502", "timeout", "reset", "garbage"), CREATES)
    ] = None
    create_fail: Annotated[Switch[int] | None, "create.fail", Rule(one_of(500, 502, 503), CREATES)] = None
    """Nothing is created."""
    create_materialise_after: Annotated[Switch[float] | None, "create.materialise_after", Rule(number, CREATES)] = None
    """Seconds until the pod exists; answered like ``create.accept_then``, or 500."""
    create_substitute: Annotated[
        Switch[str] | None, "create.substitute", Rule(one_of("gpu", "zero_gpus", "data_center"), CREATES)
    ] = None
    create_bad400: Annotated[Switch[bool] | None, "create.bad400", Rule(yes, CREATES)] = None
    create_denied: Annotated[Switch[tuple[str, ...]] | None, "create.denied", Rule(texts, CREATES)] = None
    """Patterns of GPU types that answer 403."""
    name_dup: Annotated[Switch[int] | None, "name.dup", Rule(whole, CREATES)] = None
    """So many further pods of the same name."""
    capacity_none: Annotated[
        Switch[bool | tuple[str, ...]] | None, "capacity.none", Rule(either(yes, texts), CREATES)
    ] = None
    """Nothing anywhere, or patterns ``<GPU type or CPU flavour>@<data centre>``."""
    price_jump: Annotated[Switch[float] | None, "price.jump", Rule(number, CREATES)] = None
    """Factor on the price a new pod gets; the catalogue does not show it."""
    price_rise: Annotated[Switch[float] | None, "price.rise", Rule(number, once=True)] = None
    """Factor on the price of every pod alive at that moment."""

    # Lists (3, 6, 7, 17).
    list_lag: Annotated[Switch[float] | None, "list.lag", Rule(number, CREATES)] = None
    """Seconds until lists show a pod created while this is on."""
    list_ghosts: Annotated[Switch[float] | None, "list.ghosts", Rule(number, LISTS)] = None
    """Seconds an ended pod stays in lists, as it was."""
    list_repeat_cursor: Annotated[Switch[bool] | None, "list.repeat_cursor", Rule(yes, LISTS)] = None
    list_drop_page: Annotated[Switch[int] | None, "list.drop_page", Rule(whole, LISTS)] = None
    """Number of the page (from 1) that is silently passed over."""
    list_mid_500: Annotated[Switch[bool] | None, "list.mid_500", Rule(yes, LISTS)] = None
    list_mid_delete: Annotated[Switch[int] | None, "list.mid_delete", Rule(whole, LISTS)] = None
    """So many pods of somebody else, the oldest, are deleted before each page but the first."""
    list_empty_once: Annotated[Switch[bool] | None, "list.empty_once", Rule(yes, LISTS)] = None
    list_strip_env: Annotated[Switch[bool] | None, "list.strip_env", Rule(yes, LISTS)] = None
    get_404_for: Annotated[Switch[float] | None, "get.404_for", Rule(number, CREATES)] = None
    """Seconds after its coming into being in which GET does not find a pod created while this is on."""
    get_404: Annotated[Switch[bool] | None, "get.404", Rule(yes, ("pods.get",))] = None

    # Ending (4, 5, 28).
    delete_404_then_visible: Annotated[Switch[bool] | None, "delete.404_then_visible", Rule(yes, ENDS)] = None
    delete_ack_ignored: Annotated[Switch[bool] | None, "delete.ack_ignored", Rule(yes, ENDS)] = None
    delete_fail: Annotated[Switch[int] | None, "delete.fail_for", Rule(one_of(500, 502, 503), ENDS)] = None
    pod_resurrect: Annotated[Switch[float] | None, "pod.resurrect", Rule(number, ENDS)] = None
    """Acknowledged, hidden so many seconds, then there again; it never stopped."""

    # Accounts and money (8, 9, 12).
    auth_switch_account: Annotated[Switch[str] | None, "auth.switch_account", Rule(text)] = None
    auth_revoke: Annotated[Switch[bool] | None, "auth.revoke", Rule(yes)] = None
    auth_narrow: Annotated[Switch[bool] | None, "auth.narrow", Rule(yes)] = None
    """Valid key, no right: 403."""
    balance_zero: Annotated[Switch[bool] | None, "balance.zero", Rule(yes, once=True)] = None

    # What reads say (10, 15).
    status_stale: Annotated[Switch[float] | None, "status.stale", Rule(number, READS)] = None
    """The status of so many seconds ago."""
    status_flap: Annotated[Switch[tuple[str, ...]] | None, "status.flap", Rule(texts, READS)] = None
    """These words in turn, one a call."""
    status_word: Annotated[Switch[str] | None, "status.word", Rule(text, READS)] = None
    runtime_null: Annotated[Switch[bool] | None, "runtime.null", Rule(yes, READS)] = None
    runtime_stale: Annotated[Switch[float] | None, "runtime.stale", Rule(number, READS)] = None
    cost_string: Annotated[Switch[bool] | None, "cost.string", Rule(yes, (*READS, *CREATES))] = None
    fields_new: Annotated[Switch[bool] | None, "fields.new", Rule(yes, (*READS, *CREATES))] = None
    clock_skew: Annotated[Switch[float] | None, "clock.skew", Rule(number)] = None
    """Seconds added to every time the platform tells."""
    foreign_pods: Annotated[
        Switch[int | tuple[str, ...]] | None, "foreign_pods", Rule(either(whole, texts), once=True)
    ] = None
    """So many pods of somebody else in the account, or their names (16)."""

    # Pods (21, 25, 26, 31).
    pod_stuck_provisioning: Annotated[Switch[bool] | None, "pod.stuck_provisioning", Rule(yes, CREATES)] = None
    pod_pull_fail: Annotated[Switch[str] | None, "pod.pull_fail", Rule(one_of("starting", "exited"), CREATES)] = None
    pod_zombie_host: Annotated[Switch[bool] | None, "pod.zombie_host", Rule(yes, CREATES)] = None
    """RUNNING with uptime 0; nothing runs."""
    pod_error: Annotated[Switch[bool] | None, "pod.error", Rule(yes, CREATES)] = None
    pod_key_403: Annotated[Switch[bool] | None, "pod.key_403", Rule(yes)] = None
    """The key inside pods may do nothing."""
    pod_oom: Annotated[Switch[bool] | None, "pod.oom", Rule(yes, once=True)] = None
    """Every running container is killed once, code 137 (22)."""
    spot_kill: Annotated[Switch[bool] | None, "spot.kill", Rule(yes, once=True)] = None
    """Every running pod gets SIGTERM, 5 s, SIGKILL, then EXITED (24)."""
    start_zero_gpus: Annotated[Switch[bool] | None, "start.zero_gpus", Rule(yes, ("pods.action.start",))] = None

    # Logs and bills (33, 79).
    logs_flood: Annotated[Switch[int] | None, "logs.flood", Rule(whole, ("pods.logs",))] = None
    """So many lines more, one of them a megabyte."""
    logs_gap: Annotated[Switch[bool] | None, "logs.gap", Rule(yes, ("pods.logs",))] = None
    logs_400: Annotated[Switch[bool] | None, "logs.400", Rule(yes, ("pods.logs",))] = None
    billing_lag: Annotated[Switch[float] | None, "billing.lag", Rule(number, ("billing.*",))] = None
    billing_fix: Annotated[Switch[float] | None, "billing.fix", Rule(number, ("billing.*",))] = None
    """Factor on every amount: a bill that is corrected later."""

    # Rate limits, edge, network (13, 14, 63, 64, 65).
    ratelimit_minute: Annotated[Switch[bool] | None, "ratelimit.minute", Rule(yes)] = None
    ratelimit_hour: Annotated[Switch[bool] | None, "ratelimit.hour", Rule(yes)] = None
    ratelimit_day: Annotated[Switch[bool] | None, "ratelimit.day", Rule(yes)] = None
    outage: Annotated[Switch[str] | None, "outage", Rule(one_of("503", "refuse", "hang"))] = None
    edge_html200: Annotated[Switch[bool] | None, "edge.html200", Rule(yes)] = None
    edge_cut_json: Annotated[Switch[bool] | None, "edge.cut_json", Rule(yes)] = None
    """A whole answer with half of its document."""
    edge_cut: Annotated[Switch[bool] | None, "edge.cut", Rule(yes)] = None
    """The connection breaks in the middle of the body."""
    edge_cloudflare_1010: Annotated[Switch[bool] | None, "edge.cloudflare_1010", Rule(yes)] = None
    redirect_evil: Annotated[Switch[str] | None, "redirect.evil", Rule(text)] = None
    """Address the caller is sent to."""
    body_drip: Annotated[Switch[float] | None, "body.drip", Rule(number)] = None
    """Seconds between bytes."""
    body_endless: Annotated[Switch[bool] | None, "body.endless", Rule(yes)] = None
    body_bomb: Annotated[Switch[int] | None, "body.bomb", Rule(whole)] = None
    """Bytes after unpacking."""
    latency: Annotated[Switch[float] | None, "latency", Rule(number)] = None
    """Seconds before the first byte."""


_KNOWN: dict[str, tuple[str, Rule]] = {
    field: hint.__metadata__ for field, hint in get_type_hints(Faults, include_extras=True).items()
}
"""Field of ``Faults`` → the fault's name and rule."""
RULES = dict(_KNOWN.values())
NAMES = tuple(RULES)
"""Every fault's name."""
AFTER = {"auth.revoke_at": "auth.revoke", "balance.zero_at": "balance.zero"}
"""Another spelling of a fault, whose bare value is the seconds until it begins."""


class FaultBox(SwitchBox):
    """The switches of one platform as they stand."""

    def __init__(self) -> None:
        super().__init__(RULES)

    def arm_json(self, document: Mapping[str, Any], now: float) -> None:
        """Merge the JSON form, with the spellings of ``AFTER``. Raises ValueError, and changes nothing then."""
        super().arm_json(dict(_timed(name, one) for name, one in document.items()), now)


def switched_on(faults: Faults) -> Iterator[tuple[str, Switch[Any]]]:
    """Yield each fault that is on, by its name."""
    for field, (name, _) in _KNOWN.items():
        switch = getattr(faults, field)
        if switch is not None:
            yield name, switch


def _timed(name: str, document: Any) -> tuple[str, Any]:
    timed = name in AFTER and number(document)
    return AFTER.get(name, name), {"value": True, "after_s": document} if timed else document
