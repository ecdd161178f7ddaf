"""Every fault of the control plane as a switch: counted, timed, narrowed to calls and to pods by name.

Numbers in comments are those of the project's fault catalogue. In JSON a fault is a bare value, or
``{"value": …, "calls": n, "skip": n, "after_s": s, "for_s": s, "on": ["pods.*"], "pods": "lc1-*"}``; ``null`` heals it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Any, Generic, Literal, TypeVar, cast, get_type_hints

T = TypeVar("T")


@dataclass(frozen=True)
class Switch(Generic[T]):
    """One fault that is on."""

    value: T
    calls: int | None = None
    """For the next so many calls it concerns; ``None``: for all."""
    skip: int = 0
    """Let so many of these calls pass first."""
    after_s: float = 0.0
    """From so long after it was set."""
    for_s: float | None = None
    """For so long; ``None``: for ever."""
    on: tuple[str, ...] = ()
    """Patterns of call names (``pods.create``, ``graphql.*``); empty: those the fault speaks of."""
    pods: str = "*"
    """Pattern of the name of the pod concerned, where there is one."""


Lost = Literal["500", "502", "timeout", "reset", "garbage"]
ENDS = ("pods.delete", "pods.action.terminate", "graphql.podTerminate")
CREATES = ("pods.create",)
LISTS = ("pods.list",)
READS = ("pods.get", "pods.list")
ALL = ("*",)


def _one_of(*words: str | int) -> Callable[[Any], bool]:
    return lambda value: value in words


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _yes(value: Any) -> bool:
    return value is True


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _texts(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value)


def _either(*checks: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: any(check(value) for check in checks)


@dataclass(frozen=True)
class Rule:
    """What is known of one fault."""

    name: str
    fits: Callable[[Any], bool]
    """Whether a value is one of its values."""
    on: tuple[str, ...] = ALL
    """The calls it speaks of."""
    once: bool = False
    """It happens when it becomes active, not at a call."""


@dataclass(frozen=True)
class Faults:
    """The faults that are on; ``None`` is off."""

    # Creating (1, 2, 11, 17, 27, 77).
    create_accept_then: Annotated[
        Switch[Lost] | None, Rule("create.accept_then", _one_of("500", "502", "timeout", "reset", "garbage"), CREATES)
    ] = None
    create_fail: Annotated[Switch[int] | None, Rule("create.fail", _one_of(500, 502, 503), CREATES)] = None
    """Nothing is created."""
    create_materialise_after: Annotated[Switch[float] | None, Rule("create.materialise_after", _number, CREATES)] = None
    """Seconds until the pod exists; answered like ``create.accept_then``, or 500."""
    create_substitute: Annotated[
        Switch[str] | None, Rule("create.substitute", _one_of("gpu", "zero_gpus", "data_center"), CREATES)
    ] = None
    create_bad400: Annotated[Switch[bool] | None, Rule("create.bad400", _yes, CREATES)] = None
    create_denied: Annotated[Switch[tuple[str, ...]] | None, Rule("create.denied", _texts, CREATES)] = None
    """Patterns of GPU types that answer 403."""
    name_dup: Annotated[Switch[int] | None, Rule("name.dup", _whole, CREATES)] = None
    """So many further pods of the same name."""
    capacity_none: Annotated[
        Switch[bool | tuple[str, ...]] | None, Rule("capacity.none", _either(_yes, _texts), CREATES)
    ] = None
    """Nothing anywhere, or patterns ``<GPU type>@<data centre>``."""
    price_jump: Annotated[Switch[float] | None, Rule("price.jump", _number, CREATES)] = None
    """Factor on the price a new pod gets; the catalogue does not show it."""
    price_rise: Annotated[Switch[float] | None, Rule("price.rise", _number, once=True)] = None
    """Factor on the price of every pod alive at that moment."""

    # Lists (3, 6, 7, 17).
    list_lag: Annotated[Switch[float] | None, Rule("list.lag", _number, CREATES)] = None
    """Seconds until lists show a pod created while this is on."""
    list_ghosts: Annotated[Switch[float] | None, Rule("list.ghosts", _number, LISTS)] = None
    """Seconds an ended pod stays in lists, as it was."""
    list_repeat_cursor: Annotated[Switch[bool] | None, Rule("list.repeat_cursor", _yes, LISTS)] = None
    list_drop_page: Annotated[Switch[int] | None, Rule("list.drop_page", _whole, LISTS)] = None
    """Number of the page (from 1) that is silently passed over."""
    list_mid_500: Annotated[Switch[bool] | None, Rule("list.mid_500", _yes, LISTS)] = None
    list_empty_once: Annotated[Switch[bool] | None, Rule("list.empty_once", _yes, LISTS)] = None
    list_strip_env: Annotated[Switch[bool] | None, Rule("list.strip_env", _yes, LISTS)] = None
    get_404_for: Annotated[Switch[float] | None, Rule("get.404_for", _number, CREATES)] = None
    """Seconds after its coming into being in which GET does not find a pod created while this is on."""
    get_404: Annotated[Switch[bool] | None, Rule("get.404", _yes, ("pods.get",))] = None

    # Ending (4, 5, 28).
    delete_404_then_visible: Annotated[Switch[bool] | None, Rule("delete.404_then_visible", _yes, ENDS)] = None
    delete_ack_ignored: Annotated[Switch[bool] | None, Rule("delete.ack_ignored", _yes, ENDS)] = None
    delete_fail: Annotated[Switch[int] | None, Rule("delete.fail_for", _one_of(500, 502, 503), ENDS)] = None
    pod_resurrect: Annotated[Switch[float] | None, Rule("pod.resurrect", _number, ENDS)] = None
    """Acknowledged, hidden so many seconds, then there again; it never stopped."""

    # Accounts and money (8, 9, 12).
    auth_switch_account: Annotated[Switch[str] | None, Rule("auth.switch_account", _text)] = None
    auth_revoke: Annotated[Switch[bool] | None, Rule("auth.revoke", _yes)] = None
    auth_narrow: Annotated[Switch[bool] | None, Rule("auth.narrow", _yes)] = None
    """Valid key, no right: 403."""
    balance_zero: Annotated[Switch[bool] | None, Rule("balance.zero", _yes, once=True)] = None

    # What reads say (10, 15).
    status_stale: Annotated[Switch[float] | None, Rule("status.stale", _number, READS)] = None
    """The status of so many seconds ago."""
    status_flap: Annotated[Switch[tuple[str, ...]] | None, Rule("status.flap", _texts, READS)] = None
    """These words in turn, one a call."""
    status_word: Annotated[Switch[str] | None, Rule("status.word", _text, READS)] = None
    runtime_null: Annotated[Switch[bool] | None, Rule("runtime.null", _yes, READS)] = None
    runtime_stale: Annotated[Switch[float] | None, Rule("runtime.stale", _number, READS)] = None
    cost_string: Annotated[Switch[bool] | None, Rule("cost.string", _yes, (*READS, *CREATES))] = None
    fields_new: Annotated[Switch[bool] | None, Rule("fields.new", _yes, (*READS, *CREATES))] = None
    clock_skew: Annotated[Switch[float] | None, Rule("clock.skew", _number)] = None
    """Seconds added to every time the platform tells."""
    foreign_pods: Annotated[
        Switch[int | tuple[str, ...]] | None, Rule("foreign_pods", _either(_whole, _texts), once=True)
    ] = None
    """So many pods of somebody else in the account, or their names (16)."""

    # Pods (21, 25, 26, 31).
    pod_stuck_provisioning: Annotated[Switch[bool] | None, Rule("pod.stuck_provisioning", _yes, CREATES)] = None
    pod_pull_fail: Annotated[Switch[str] | None, Rule("pod.pull_fail", _one_of("starting", "exited"), CREATES)] = None
    pod_zombie_host: Annotated[Switch[bool] | None, Rule("pod.zombie_host", _yes, CREATES)] = None
    """RUNNING with uptime 0; nothing runs."""
    pod_error: Annotated[Switch[bool] | None, Rule("pod.error", _yes, CREATES)] = None
    pod_key_403: Annotated[Switch[bool] | None, Rule("pod.key_403", _yes)] = None
    """The key inside pods may do nothing."""
    pod_oom: Annotated[Switch[bool] | None, Rule("pod.oom", _yes, once=True)] = None
    """Every running container is killed once, code 137 (22)."""
    spot_kill: Annotated[Switch[bool] | None, Rule("spot.kill", _yes, once=True)] = None
    """Every running pod gets SIGTERM, 5 s, SIGKILL, then EXITED (24)."""
    start_zero_gpus: Annotated[Switch[bool] | None, Rule("start.zero_gpus", _yes, ("pods.action.start",))] = None

    # Logs and bills (33, 79).
    logs_flood: Annotated[Switch[int] | None, Rule("logs.flood", _whole, ("pods.logs",))] = None
    """So many lines more, one of them a megabyte."""
    logs_gap: Annotated[Switch[bool] | None, Rule("logs.gap", _yes, ("pods.logs",))] = None
    logs_400: Annotated[Switch[bool] | None, Rule("logs.400", _yes, ("pods.logs",))] = None
    billing_lag: Annotated[Switch[float] | None, Rule("billing.lag", _number, ("billing.*",))] = None
    billing_fix: Annotated[Switch[float] | None, Rule("billing.fix", _number, ("billing.*",))] = None
    """Factor on every amount: a bill that is corrected later."""

    # Rate limits, edge, network (13, 14, 63, 64, 65).
    ratelimit_minute: Annotated[Switch[bool] | None, Rule("ratelimit.minute", _yes)] = None
    ratelimit_hour: Annotated[Switch[bool] | None, Rule("ratelimit.hour", _yes)] = None
    ratelimit_day: Annotated[Switch[bool] | None, Rule("ratelimit.day", _yes)] = None
    outage: Annotated[Switch[str] | None, Rule("outage", _one_of("503", "refuse", "hang"))] = None
    edge_html200: Annotated[Switch[bool] | None, Rule("edge.html200", _yes)] = None
    edge_cut_json: Annotated[Switch[bool] | None, Rule("edge.cut_json", _yes)] = None
    """A whole answer with half of its document."""
    edge_cut: Annotated[Switch[bool] | None, Rule("edge.cut", _yes)] = None
    """The connection breaks in the middle of the body."""
    edge_cloudflare_1010: Annotated[Switch[bool] | None, Rule("edge.cloudflare_1010", _yes)] = None
    redirect_evil: Annotated[Switch[str] | None, Rule("redirect.evil", _text)] = None
    """Address the caller is sent to."""
    body_drip: Annotated[Switch[float] | None, Rule("body.drip", _number)] = None
    """Seconds between bytes."""
    body_endless: Annotated[Switch[bool] | None, Rule("body.endless", _yes)] = None
    body_bomb: Annotated[Switch[int] | None, Rule("body.bomb", _whole)] = None
    """Bytes after unpacking."""
    latency: Annotated[Switch[float] | None, Rule("latency", _number)] = None
    """Seconds before the first byte."""


_HINTS = get_type_hints(Faults, include_extras=True)
_RULES: dict[str, Rule] = {field: hint.__metadata__[0] for field, hint in _HINTS.items()}
_FIELDS = {rule.name: field for field, rule in _RULES.items()}
NAMES = tuple(_FIELDS)
"""Every fault's name."""
ONCE = tuple(rule.name for rule in _RULES.values() if rule.once)
"""Those that happen at a time rather than at a call."""
_SWITCH = ("value", "calls", "skip", "after_s", "for_s", "on", "pods")


@dataclass
class _Armed:
    switch: Switch[Any]
    since: float
    on: tuple[str, ...]
    passed: int = 0
    used: int = 0

    def began(self) -> float:
        return self.since + self.switch.after_s

    def ends(self) -> float | None:
        return None if self.switch.for_s is None else self.began() + self.switch.for_s

    def active(self, now: float) -> bool:
        ends = self.ends()
        left = self.switch.calls is None or self.used < self.switch.calls
        return left and self.began() <= now and (ends is None or now < ends)


class FaultBox:
    """The switches of one platform as they stand, and how often each one bit."""

    def __init__(self) -> None:
        self._armed: dict[str, _Armed] = {}
        self._happened: set[str] = set()
        self.hits: Counter[str] = Counter()
        """Fault → calls or moments it changed."""

    def arm(self, faults: Faults, now: float) -> None:
        """Switch on what ``faults`` holds; the others stay as they are."""
        for field, rule in _RULES.items():
            switch = getattr(faults, field)
            if switch is not None:
                self._armed[rule.name] = _Armed(switch, now, switch.on or rule.on)
                self._happened.discard(rule.name)

    def arm_json(self, document: Mapping[str, Any], now: float) -> None:
        """Merge the JSON form. Raises ValueError on an unknown fault or an unfit value, and changes nothing then."""
        parsed = dict(_timed(name, one) for name, one in document.items())
        for name, switch in parsed.items():
            if switch is None:
                self._armed.pop(name, None)
            else:
                self.arm(Faults(**{_FIELDS[name]: switch}), now)

    def heal(self) -> None:
        """Switch everything off."""
        self._armed.clear()

    def hit(self, name: str, call: str, now: float, pod: str | None = None) -> Any:
        """Return the fault's value if it bites at this call, and count it; else ``None``."""
        armed = self._at(name, call, now, pod)
        if armed is None:
            return None
        if armed.passed < armed.switch.skip:
            armed.passed += 1
            return None
        armed.used += 1
        self.hits[name] += 1
        return armed.switch.value

    def standing(self, name: str, call: str, now: float, pod: str | None = None) -> Any:
        """Return the fault's value if it is active, without using it up: for what one call asks several times."""
        armed = self._at(name, call, now, pod)
        if armed is None:
            return None
        self.hits[name] += 1
        return armed.switch.value

    def happens(self, now: float) -> Iterator[tuple[str, Switch[Any]]]:
        """Yield the faults whose moment has come, each once."""
        for name in ONCE:
            armed = self._armed.get(name)
            if armed is not None and name not in self._happened and armed.active(now):
                self._happened.add(name)
                self.hits[name] += 1
                yield name, armed.switch

    def next_moment(self) -> float | None:
        """Return when the next one-time fault happens."""
        due = [one.began() for name, one in self._armed.items() if name in ONCE and name not in self._happened]
        return min(due, default=None)

    def shown(self) -> dict[str, Any]:
        """Return the JSON form of what is on."""
        return {
            name: {key: getattr(armed.switch, key) for key in _SWITCH} | {"used": armed.used}
            for name, armed in self._armed.items()
        }

    def _at(self, name: str, call: str, now: float, pod: str | None) -> _Armed | None:
        armed = self._armed.get(name)
        if armed is None or not armed.active(now):
            return None
        if pod is not None and not fnmatchcase(pod, armed.switch.pods):
            return None
        return armed if any(fnmatchcase(call, pattern) for pattern in armed.on) else None


AFTER = {"auth.revoke_at": "auth.revoke", "balance.zero_at": "balance.zero"}
"""Another spelling of a fault, whose bare value is the seconds until it begins."""


def _timed(name: str, document: Any) -> tuple[str, Switch[Any] | None]:
    if name in AFTER and _number(document):
        document = {"value": True, "after_s": document}
    name = AFTER.get(name, name)
    return name, parse(name, document)


def parse(name: str, document: Any) -> Switch[Any] | None:
    """Return one fault from its JSON form. Raises ValueError."""
    if name not in _FIELDS:
        raise ValueError(f"no such fault: {name}")
    if document is None:
        return None
    values = dict(cast("Mapping[str, Any]", document)) if isinstance(document, dict) else {"value": document}
    unknown = [key for key in values if key not in _SWITCH]
    if unknown or "value" not in values:
        raise ValueError(f"{name}: a fault is a value or an object of {', '.join(_SWITCH)}")
    if not _RULES[_FIELDS[name]].fits(values["value"]):
        raise ValueError(f"{name}: unfit value {values['value']!r}")
    if isinstance(values["value"], list):
        values["value"] = tuple(values["value"])
    values["on"] = tuple(values.get("on", ()))
    return Switch(**values)
