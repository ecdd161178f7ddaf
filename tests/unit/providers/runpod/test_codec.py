"""What is made of whatever RunPod writes. Faults 10, 17."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messages.machines import MachineState
from providers.runpod.codec import (
    count,
    cpu_type,
    decimal,
    moment,
    money,
    read_page,
    read_pod,
    read_volume,
    split_cpu_type,
)
from providers.runpod.problems import Unreadable, parse_json
from tests.support.runpod_wire import pod

ODD = st.sampled_from(
    [None, True, 0, -1, 5, 10**30, Decimal("0.27"), Decimal("-1e30"), Decimal("NaN"), "", "x", "0.3", "\ud800", [], [1]]
)
JSON = ODD | st.dictionaries(st.sampled_from(("id", "count", "vcpuCount", "uptime")), ODD, max_size=4)
FIELDS = ("id", "name", "status", "cost", "gpu", "cpu", "runtime", "dataCenterId", "uptime", "count", "vcpuCount")
ANY_POD = st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=11)


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("PROVISIONING", MachineState.STARTING),
        ("STARTING", MachineState.STARTING),
        ("RUNNING", MachineState.RUNNING),
        ("EXITED", MachineState.STOPPED_BILLING),
        ("ERROR", MachineState.STOPPED_BILLING),
        ("TERMINATED", MachineState.GONE),
        ("running", MachineState.RUNNING),
        ("MIGRATING", MachineState.UNKNOWN),
        ("", MachineState.UNKNOWN),
        (None, MachineState.UNKNOWN),
        (7, MachineState.UNKNOWN),
    ],
)
def test_only_terminated_is_gone_and_what_is_not_known_counts_as_alive(word: Any, state: MachineState) -> None:
    found = read_pod(pod(status=word))
    assert found is not None
    assert found.state is state


def test_a_pod_tells_what_it_is() -> None:
    found = read_pod(pod(7, "lc1-name", cost=Decimal("0.27")))
    assert found is not None
    machine = found.machine("runpod:vol1", datetime(2026, 11, 1, tzinfo=UTC))
    assert (machine.id, machine.name, machine.account) == ("pod7", "lc1-name", "runpod:vol1")
    assert (machine.machine_type, machine.gpu_count, machine.place) == ("NVIDIA RTX A5000", 1, "EU-RO-1")
    assert (machine.rate_usd_per_hour, machine.uptime_s, machine.raw_status) == (Decimal("0.27"), 5.0, "RUNNING")


def test_a_pod_without_gpu_says_so() -> None:
    found = read_pod({"id": "p", "cpu": {"id": "cpu3c", "vcpuCount": 4}})
    assert found is not None
    assert (found.machine_type, found.gpu_count) == ("cpu3c-4", 0)


@pytest.mark.parametrize("cost", [0, 0.0, "0", None, "", "free", -1, True, "nan", "1e999999999"])
def test_no_cost_is_not_a_price(cost: Any) -> None:
    found = read_pod(pod(status="EXITED", cost=cost))
    assert found is not None
    assert found.rate_usd_per_hour is None


@pytest.mark.parametrize("cost", ["0.27", Decimal("0.27"), Decimal("0.2700000107"), "0.270000"])
def test_a_cost_may_be_text_and_is_exact(cost: Any) -> None:
    found = read_pod(pod(cost=cost))
    assert found is not None
    assert found.rate_usd_per_hour == Decimal("0.270000")


@pytest.mark.parametrize("runtime", [None, {}, [], "x", {"uptime": None}, {"uptime": -3}, {"uptime": "soon"}])
def test_no_uptime_is_not_zero(runtime: Any) -> None:
    found = read_pod(pod(runtime=runtime))
    assert found is not None
    assert found.uptime_s is None


def test_zero_uptime_and_zero_gpus_are_told() -> None:
    found = read_pod(pod(runtime={"uptime": 0}, gpu={"id": "NVIDIA A40", "count": 0}))
    assert found is not None
    assert (found.uptime_s, found.gpu_count) == (0.0, 0)


@pytest.mark.parametrize("value", [None, [], "x", 1, {}, {"id": ""}, {"id": 5}, {"name": "x"}])
def test_what_has_no_id_is_no_pod(value: Any) -> None:
    assert read_pod(value) is None


@settings(deadline=None)
@given(ANY_POD)
def test_no_pod_breaks_the_reader(value: dict[str, object]) -> None:
    found = read_pod(value)
    if found is not None:
        machine = found.machine("a", datetime(2026, 1, 1, tzinfo=UTC))
        assert machine.rate_usd_per_hour is None or machine.rate_usd_per_hour > 0
        machine.model_dump_json()


@settings(deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_no_bytes_break_the_parser(body: bytes) -> None:
    try:
        parse_json(body)
    except Unreadable:
        return


def test_odd_json_is_unreadable_and_nothing_worse() -> None:
    for body in (b"[" * 100_000, b"NaN", b'{"a": Infinity}', b"9" * 5000, b'{"a"', b"", b"\xff"):
        with pytest.raises(Unreadable):
            parse_json(body)


def test_pages_are_read_in_both_dialects() -> None:
    assert read_page({"pods": [1, 2]}, "pods") == ((1, 2), None)
    assert read_page({"pods": [], "pagination": {"nextCursor": None, "hasNextPage": False}}, "pods") == ((), None)
    assert read_page({"pods": [1], "pagination": {"nextCursor": "c", "hasNextPage": True}}, "pods") == ((1,), "c")
    assert read_page({"pods": [1], "pagination": {"nextCursor": "c", "hasNextPage": False}}, "pods") == ((1,), None)
    assert read_page({"pods": [1], "pagination": {"nextCursor": "c"}}, "pods") == ((1,), "c")


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"pods": {}},
        {"pods": [], "pagination": None},
        {"pods": [], "pagination": []},
        {"pods": [], "pagination": {"hasNextPage": True, "nextCursor": None}},
        {"pods": [], "pagination": {"hasNextPage": True, "nextCursor": ""}},
        {"pods": [], "pagination": {"hasNextPage": "yes", "nextCursor": 7}},
    ],
)
def test_a_page_that_does_not_say_how_it_goes_on_is_none(value: Any) -> None:
    assert read_page(value, "pods") is None


def test_volumes_are_read() -> None:
    found = read_volume({"id": "v", "size": 10, "dataCenter": "eu-ro-1"})
    assert found == ("v", "", 10, "EU-RO-1")
    assert read_volume({"size": 10}) is None
    assert read_volume([]) is None


def test_small_readers_refuse_what_makes_no_sense() -> None:
    assert [count(v) for v in (3, "3", 3.5, "x", -1, None, True, Decimal("3.0"), 10**12)] == [
        3, 3, None, None, None, None, None, 3, None,
    ]  # fmt: skip
    assert decimal(float("nan")) is None
    assert money(Decimal("0.0000001")) is None
    assert moment("2026-06-01T12:00:00Z") == datetime(2026, 6, 1, 12, tzinfo=UTC)
    assert [moment(v) for v in ("2026-06-01T12:00:00", "x", 5, None, "0001-01-01T00:00:00+14:00")] == [None] * 5


def test_cpu_types_are_written_and_read_the_same() -> None:
    assert split_cpu_type(cpu_type("cpu5m", 16)) == ("cpu5m", 16)
    for gpu in ("NVIDIA A40", "NVIDIA A100-SXM4-80GB", "Tesla V100-PCIE-16GB", "cpu3c", "cpu3c-x", ""):
        assert split_cpu_type(gpu) is None
