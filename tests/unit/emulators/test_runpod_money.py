"""What the emulated platform bills: exact lines, balances that run out, records in buckets."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.emulators.runpod.ledger import Kind
from tests.emulators.runpod.settings import MAIN_KEY, AccountSettings, Settings
from tests.unit.emulators.runpod_kit import T0, Client


def poor(balance: str) -> Client:
    return Client(Settings(quotas={}, accounts={"user_main": AccountSettings({MAIN_KEY: "all"}, Decimal(balance))}))


def total(client: Client, kind: Kind) -> Decimal:
    return sum((line.amount(client.now) for line in client.platform.bills() if line.kind is kind), Decimal(0))


def test_a_pod_is_billed_by_its_own_rate_from_its_creation_to_its_end() -> None:
    client = Client()
    pod_id = client.create(disk=73)
    client.wait(1234.5)
    client.call("DELETE", f"/v2/pods/{pod_id}")
    client.wait(5000)
    assert total(client, Kind.GPU) == Decimal("0.27") * Decimal("1234.5") / 3600
    assert total(client, Kind.CONTAINER_DISK) == Decimal("0.01") * Decimal("1234.5") / 3600


def test_billing_from_running_on_is_a_switch() -> None:
    client = Client(Settings(quotas={}, billed_from="running"))
    client.create()
    client.wait(112)
    assert total(client, Kind.GPU) == Decimal("0.27") * 100 / 3600


def test_a_stopped_pod_costs_nothing_and_its_disk_twice_as_much() -> None:
    client = Client()
    pod_id = client.create(mounts={"persistent": {"size": 73, "path": "/workspace"}})
    client.wait(3600)
    client.call("POST", f"/v2/pods/{pod_id}/action", {"action": "stop"})
    assert client.pod(pod_id)["cost"] == 0
    assert client.platform.alive(client.now)[0].rate == Decimal("0.02")
    client.wait(3600)
    assert total(client, Kind.GPU) == Decimal("0.27")
    assert total(client, Kind.VOLUME_DISK) == Decimal("0.03")


def test_a_network_volume_bills_by_size_until_it_is_deleted() -> None:
    client = Client()
    client.platform.add_volume("user_main", "v", 73, "EU-RO-1", client.now, "vol1")
    client.wait(3600)
    assert total(client, Kind.NETWORK_VOLUME) == Decimal("0.007")
    client.call("DELETE", "/v2/network-volumes/vol1")
    client.wait(3600)
    assert total(client, Kind.NETWORK_VOLUME) == Decimal("0.007")


def test_an_empty_balance_stops_pods_with_a_volume_and_ends_the_others() -> None:
    client = poor("0.60")
    client.platform.add_volume("user_main", "v", 10, "EU-RO-1", client.now, "vol1")
    kept = client.create("kept", disk=1, mounts={"network": [{"volumeId": "vol1", "path": "/w"}]})
    lost = client.create("lost", disk=1)
    client.wait(3 * 3600)
    assert client.pod(kept)["status"] == "EXITED"
    assert client.call("GET", f"/v2/pods/{lost}").status == 404
    lives = {life.name: life for life in client.platform.history()}
    ended = lives["lost"].ended_at
    assert ended is not None
    assert ended == pytest.approx(T0 + 0.6 / 0.5412 * 3600, rel=0.01)
    assert (lives["lost"].ended_by, lives["lost"].how) == ("platform", "balance")
    assert lives["kept"].stopped == [(ended, "platform", "balance")]
    assert client.call("POST", f"/v2/pods/{kept}/action", {"action": "start"}).status == 402
    client.platform.set_balance("user_main", Decimal(10), client.now)
    assert client.call("POST", f"/v2/pods/{kept}/action", {"action": "start"}).status == 200


def test_the_spend_limit_bounds_everything_together() -> None:
    account = AccountSettings({MAIN_KEY: "all"}, spend_limit=Decimal("0.50"))
    client = Client(Settings(quotas={}, accounts={"user_main": account}))
    client.create("one", disk=1)
    assert client.call("POST", "/v2/pods", client.body("two")).status == 402


def test_records_come_in_hours_and_some_minutes_late() -> None:
    client = Client()
    client.now = T0 - T0 % 3600
    client.platform.tick(client.now)
    client.wait(3600 * 2)
    pod_id = client.create(disk=73)
    began = client.now
    client.wait(5400)
    path, query = "/v2/billing/pods", "bucketSize=hour&lastN=3"
    records = client.call("GET", path, query=query).json["records"]
    assert [one["gpuAmount"] for one in records] == [pytest.approx(0.27), pytest.approx(0.27 * 1500 / 3600)]
    client.call("DELETE", f"/v2/pods/{pod_id}")
    client.wait(3600)
    told = client.call("GET", path, query=f"bucketSize=hour&lastN=4&podId={pod_id}").json
    assert told["metadata"]["totals"]["totalAmount"] == pytest.approx(0.28 * 1.5)
    assert (told["metadata"]["recordCount"], told["metadata"]["uniquePodCount"]) == (2, 1)
    assert client.call("GET", path, query="podId=other").json["records"] == []
    whole = client.call("GET", "/v2/billing", query="bucketSize=day&lastN=2").json
    assert whole["metadata"]["totals"]["podGpuAmount"] == pytest.approx(0.27 * 1.5)
    assert began % 3600 == 0


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("bucketSize=minute", 422),
        ("lastN=0", 422),
        ("lastN=2&startTime=2026-01-01T00:00:00Z", 400),
        ("startTime=yesterday", 422),
        ("startTime=2026-05-01T00:00:00Z&endTime=2026-05-03T00:00:00Z", 200),
    ],
)
def test_the_window_of_a_bill_is_checked(query: str, status: int) -> None:
    assert Client().call("GET", "/v2/billing/pods", query=query).status == status
    assert Client().call("GET", "/v2/billing/network-volumes", query=query).status == status
