"""A page of the list of pods, read pod by pod: cheaply where a pod is the one it was, and never long at a time.

A page of a thousand pods has ten megabytes, nine tenths of them the boot program and the start line, in every pod the
same. Decoded in one piece it takes a quarter of the CPU time the whole node has for a list, and nobody else's turn
comes meanwhile. So the text of a pod of ours is kept, but for its ``runtime``, which changes at every look: what is
still the same text up to there and from there on says the same, and only the ``runtime`` is decoded. Everything else
is decoded as any JSON is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from decimal import Decimal
from typing import Final, NamedTuple

from providers.runpod.codec import Pod, is_object, next_page, read_pod, uptime_of
from providers.runpod.problems import Unreadable, no_constant
from providers.sights import OURS
from providers.turns import turn

KNOWN_MAX: Final = 20_000
"""Pods whose text is kept."""
OWN_CHARS_MAX: Final = 4_096
"""A pod whose text has more that it shares with no other one is not kept."""
LONG_CHARS: Final = 1_000
"""Texts from this length on are kept once for all pods that have them."""
LONG_TEXTS_MAX: Final = 8
SLICE_CHARS: Final = 512 << 10
"""So much is decoded between two turns of the others: about a millisecond."""
KNOWN_CHARS: Final = 2 << 10
"""What a pod whose text is known costs, counted in characters that are decoded."""

_LIST: Final = "pods"
_RUNTIME: Final = '"runtime":'
_ID = re.compile(r'\{\s*"id"\s*:\s*"([^"\\]{1,100})"')
_SPACE = re.compile(r"[ \t\n\r]*")
_value = json.JSONDecoder(parse_float=Decimal, parse_constant=no_constant).raw_decode
"""Returns the value that begins at a place of a text, and where it is over."""


class PodPage(NamedTuple):
    """One page of the list."""

    pods: list[Pod]
    whole: bool
    """Whether every item was a pod."""
    cursor: str | None
    """Where the next page begins; ``None``: this is the last one."""


class _Known(NamedTuple):
    """A pod as it was written: all up to its ``runtime``, all behind it, and what that says."""

    before: tuple[str, ...]
    behind: tuple[str, ...]
    pod: Pod


class PageReader:
    """Reads the pages of one account's list, and remembers the pods that the list before showed."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self._shown: dict[str, _Known] = {}
        """Of the list that is being read."""
        self._long: list[str] = []
        self.decoded = 0
        """Pods that had to be decoded whole."""

    def begin(self) -> None:
        """Say that a list is read from its first page on: what the one before did not show is forgotten."""
        self._known, self._shown = self._shown or self._known, {}

    async def read(self, body: bytes) -> PodPage | None:
        """Return a page of either dialect, or ``None`` for what is none. Raises Unreadable for what is no JSON."""
        try:
            text = body.decode()
            return await self._page(text)
        except (ValueError, IndexError, RecursionError, ArithmeticError):
            raise Unreadable("not JSON") from None

    async def _page(self, text: str) -> PodPage | None:
        at = _space(text, 0)
        if text[at] != "{":
            _, at = _value(text, at)
            _nothing_more(text, at)
            return None
        fields: dict[str, object] = {}
        pods: list[Pod] | None = None
        whole, at = True, _space(text, at + 1)
        while text[at] != "}":
            name, at = _name(text, at)
            if name == _LIST and text[at] == "[":
                pods, whole, at = await self._items(text, at)
            else:
                fields[name], at = _value(text, at)
                pods = None if name == _LIST else pods
            at = _after(text, at, "}")
        _nothing_more(text, at + 1)
        following = next_page(fields) if pods is not None else None
        return PodPage(pods, whole, following.cursor) if pods is not None and following is not None else None

    async def _items(self, text: str, at: int) -> tuple[list[Pod], bool, int]:
        """Return the pods of an array, whether it held nothing else, and where it is over."""
        pods: list[Pod] = []
        whole, spent = True, 0
        at = _space(text, at + 1)
        while text[at] != "]":
            known = self._again(text, at)
            if known is not None:
                pod: Pod | None
                pod, at = known
                spent += KNOWN_CHARS
            else:
                value, end = _value(text, at)
                pod = read_pod(value)
                self.decoded += 1
                if pod is not None and is_object(value):
                    self._keep(text[at:end], value, pod)
                spent += KNOWN_CHARS + end - at
                at = end
            if pod is not None:
                pods.append(pod)
            whole = whole and pod is not None
            at = _after(text, at, "]")
            if spent >= SLICE_CHARS:
                spent = 0
                await turn()
        return pods, whole, at + 1

    # ------------------------------------------------------------------------------------------- what is known

    def _again(self, text: str, at: int) -> tuple[Pod, int] | None:
        """Return the pod that is written here and where it ends, if it is a known one."""
        found = _ID.match(text, at)
        known = self._known.get(found[1]) if found else None
        if known is None:
            return None
        for piece in known.before:
            if not text.startswith(piece, at):
                return None
            at += len(piece)
        runtime, at = _value(text, at)
        for piece in known.behind:
            if not text.startswith(piece, at):
                return None
            at += len(piece)
        self._shown[known.pod.id] = known
        return Pod(*known.pod[:-1], uptime_of(runtime)), at

    def _keep(self, raw: str, value: Mapping[str, object], pod: Pod) -> None:
        """Keep a pod of ours, as it is written, if it can be told where its ``runtime`` stands."""
        if not pod.name.startswith(OURS) or not raw.isascii() or len(self._shown) >= KNOWN_MAX:
            return
        if raw.count(_RUNTIME) != 1:
            return
        begin = _space(raw, raw.index(_RUNTIME) + len(_RUNTIME))
        runtime, end = _value(raw, begin)
        if "runtime" not in value or value["runtime"] != runtime:
            return  # it is a name inside something else
        for long in _long_texts(raw, value):
            if long not in self._long and len(self._long) < LONG_TEXTS_MAX:
                self._long.append(long)
        before, behind = tuple(self._pieces(raw[:begin])), tuple(self._pieces(raw[end:]))
        own = sum(len(piece) for piece in (*before, *behind) if piece not in self._long)
        if own <= OWN_CHARS_MAX:
            self._shown[pod.id] = _Known(before, behind, pod)

    def _pieces(self, text: str) -> Iterator[str]:
        """Cut a text so that what many pods share is one object."""
        for long in self._long:
            before, found, behind = text.partition(long)
            if found:
                yield from self._pieces(before)
                yield long
                yield from self._pieces(behind)
                return
        if text:
            yield text


def _long_texts(raw: str, pod: Mapping[str, object]) -> Iterator[str]:
    """Yield the long texts of a pod and of its variables, as they are written, without their quotes."""
    variables = pod.get("env")
    for name, value in (*pod.items(), *(variables.items() if is_object(variables) else ())):
        if isinstance(value, str) and len(value) >= LONG_CHARS:
            begin = _space(raw, raw.find(":", raw.find(f'"{name}"')) + 1)
            with suppress(ValueError):  # the same word may stand before it, and be no name
                written, end = _value(raw, begin)
                if written == value:
                    yield raw[begin + 1 : end - 1]


# ------------------------------------------------------------------------------------------- JSON, piece by piece


def _space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _name(text: str, at: int) -> tuple[str, int]:
    """Return a field's name and where its value begins."""
    if text[at] != '"':
        raise Unreadable("no name")
    name, at = _value(text, at)
    at = _space(text, at)
    if text[at] != ":":
        raise Unreadable("no value")
    return name, _space(text, at + 1)


def _after(text: str, at: int, end: str) -> int:
    """Return where the next item begins, or where ``end`` stands."""
    at = _space(text, at)
    if text[at] == end:
        return at
    if text[at] != ",":
        raise Unreadable("no comma")
    at = _space(text, at + 1)
    if text[at] == end:
        raise Unreadable("a comma and nothing behind it")
    return at


def _nothing_more(text: str, at: int) -> None:
    if _space(text, at) != len(text):
        raise Unreadable("more than one value")
