from __future__ import annotations

from datetime import UTC, datetime
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.journal.codec import check_known, decode, encode
from actors.journal.interface import JournalRefused
from messages.events import EVENTS, Event, LedgerEvent, MarkerSeen, OrphanReaped, ResultCollected
from messages.jobs import ResultMarker
from messages.machines import Machine, MachineState
from tests.support.journal_kit import note

AT = datetime(2026, 1, 1, 12, 30, 59, 999_999, tzinfo=UTC)


def marker() -> ResultMarker:
    return ResultMarker(attempt=1, nonce="n", outcome="succeeded", ended_at=AT, exit_code=0)


@given(
    st.dictionaries(st.text(max_size=5), st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5))),
    st.one_of(st.none(), st.text(max_size=20)),
    st.integers(0, 10**6),
)
@settings(max_examples=50, deadline=None)
def test_what_is_decoded_equals_what_was_encoded(metrics: dict[str, object], code: str | None, attempt: int) -> None:
    event = ResultCollected(attempt=attempt, metrics=metrics, code=code)
    assert decode(*encode(event)) == event


@pytest.mark.parametrize(
    "event",
    [
        MarkerSeen(attempt=1, marker=marker()),
        OrphanReaped(
            machine=Machine(
                id="i", name="n", account="a", state=MachineState.RUNNING, rate_usd_per_hour="0.27", first_seen=AT
            ),
            reason="r",
            at=AT,
        ),
        note(),
    ],
)
def test_aliases_enumerations_money_and_microseconds_survive(event: Event) -> None:
    found = decode(*encode(event))
    assert found == event
    assert type(found) is type(event)


def test_every_job_event_can_be_stored() -> None:
    assert {cls.kind for cls in get_args(LedgerEvent)} <= set(EVENTS)


def test_a_class_that_is_not_in_the_catalogue_is_refused() -> None:
    class Odd(type(note())):  # type: ignore[misc]
        pass

    with pytest.raises(JournalRefused, match="not in the catalogue"):
        encode(Odd(detail="", at=AT))


def test_a_value_that_is_no_json_is_refused() -> None:
    with pytest.raises(JournalRefused, match="cannot be written"):
        encode(ResultCollected(attempt=1, metrics={"x": object()}))


@pytest.mark.parametrize(("kind", "schema"), [("job.unheard_of", 1), ("job.closed", 2)])
def test_an_unknown_event_is_refused_by_name(kind: str, schema: int) -> None:
    with pytest.raises(JournalRefused, match=f"{kind!r} of shape {schema}"):
        decode(kind, schema, "{}")
    with pytest.raises(JournalRefused, match=f"{kind!r} of shape {schema}"):
        check_known([("job.parked", 1), (kind, schema)])


def test_a_body_that_does_not_fit_its_shape_is_refused() -> None:
    with pytest.raises(JournalRefused, match="does not fit"):
        decode("job.parked", 1, '{"detail": 3}')
