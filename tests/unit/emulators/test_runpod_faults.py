"""One test of wire behaviour for every fault of the control plane; numbers are those of the fault catalogue."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.emulators.runpod.faults import NAMES, Faults, Switch
from tests.emulators.runpod.problems import NO_CAPACITY
from tests.emulators.runpod.scripts import ScriptRunner, TimedScript
from tests.emulators.runpod.settings import Settings
from tests.unit.emulators.runpod_kit import GPU, Client

Test = Callable[[Client], None]
TESTS: dict[str, Test] = {}


def shows(name: str) -> Callable[[Test], Test]:
    def add(test: Test) -> Test:
        TESTS[name] = test
        return test

    return add


@pytest.mark.parametrize("name", NAMES)
def test_each_fault_does_what_its_name_says(name: str) -> None:
    client = Client(Settings(), ScriptRunner(lambda spec, now: TimedScript(now, [])))
    TESTS[name](client)
    assert client.platform.faults.hits[name] > 0


def accepted(client: Client, name: str = "pod-1") -> bool:
    return any(one.name == name for one in client.platform.alive(client.now))


def create(client: Client, name: str = "pod-1", **more: Any) -> Any:
    return client.call("POST", "/v2/pods", client.body(name, **more))


def create_cpu(client: Client, **more: Any) -> Any:
    body = {"name": "pod-1", "image": "x", "cpu": {"id": "cpu3c", "vcpuCount": 2}}
    return client.call("POST", "/v2/pods", body | more)


def unreadable(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return True
    return False


# Creating.


@shows("create.accept_then")
def accept_then(client: Client) -> None:
    for number, (value, status, lost) in enumerate(
        [("500", 500, None), ("502", 502, None), ("timeout", 201, "hang"), ("reset", 201, "reset")]
    ):
        client.fault(create__accept_then={"value": value, "calls": 1})
        answer = create(client, f"p{number}")
        assert (answer.status, answer.response.lost) == (status, lost)
        assert accepted(client, f"p{number}")
    client.fault(create__accept_then={"value": "garbage", "calls": 1})
    answer = create(client, "g")
    assert (answer.status, accepted(client, "g")) == (201, True)
    assert unreadable(answer.body)
    assert create(client, "last").status == 201
    assert client.names() == ["p0", "p1", "p2", "p3", "g", "last"]


@shows("create.fail")
def fail(client: Client) -> None:
    client.fault(create__fail=503)
    assert create(client).status == 503
    assert client.platform.alive(client.now) == ()


@shows("create.materialise_after")
def materialise_after(client: Client) -> None:
    client.fault(create__materialise_after={"value": 200, "calls": 1})
    assert create(client).status == 500
    client.wait(199)
    assert client.names() == []
    assert client.platform.bills() == ()
    client.wait(2)
    assert client.names() == ["pod-1"]
    life = client.platform.history()[0]
    assert life.created_at == life.asked_at + 200


@shows("create.substitute")
def substitute(client: Client) -> None:
    seen = []
    for value in ("gpu", "zero_gpus", "data_center"):
        client.fault(create__substitute=value)
        pod = create(client, dataCenterIds=["EU-RO-1"]).json
        seen.append((pod["gpu"]["id"] == GPU, pod["gpu"]["count"], pod["dataCenterId"] == "EU-RO-1"))
    assert seen == [(False, 1, True), (True, 0, True), (True, 1, False)]


@shows("create.bad400")
def bad400(client: Client) -> None:
    client.fault(create__bad400=True)
    refused = create(client)
    assert (refused.status, refused.json["detail"]) == (400, "request could not be processed")
    assert client.platform.alive(client.now) == ()


@shows("create.denied")
def denied(client: Client) -> None:
    client.fault(create__denied=["NVIDIA RTX*"])
    assert create(client).status == 403
    assert create(client, gpu={"id": "NVIDIA L4"}).status == 201


@shows("name.dup")
def duplicate(client: Client) -> None:
    client.fault(name__dup={"value": 1, "calls": 1})
    create(client)
    create(client, "other")
    assert client.names() == ["pod-1", "pod-1", "other"]


@shows("capacity.none")
def no_capacity(client: Client) -> None:
    client.fault(capacity__none=[f"{GPU}@EU-*"])
    assert not create(client).json["dataCenterId"].startswith("EU-")
    assert create(client, dataCenterIds=["EU-RO-1"]).json["detail"] == NO_CAPACITY
    client.fault(capacity__none=True)
    assert create(client).json["detail"] == NO_CAPACITY
    assert create_cpu(client).json["detail"] == NO_CAPACITY
    client.fault(capacity__none=["cpu3?@EU-*"])
    assert not create_cpu(client).json["dataCenterId"].startswith("EU-")
    assert create_cpu(client, dataCenterIds=["EU-RO-1"]).json["detail"] == NO_CAPACITY


@shows("price.jump")
def price_jump(client: Client) -> None:
    client.fault(price__jump=10)
    assert create(client).json["cost"] == 2.7


@shows("price.rise")
def price_rise(client: Client) -> None:
    pod_id = client.create()
    client.fault(price__rise={"value": 2, "after_s": 60})
    client.wait(59)
    assert client.pod(pod_id)["cost"] == 0.27
    client.wait(61)
    assert client.pod(pod_id)["cost"] == 0.54
    lines = [line for line in client.platform.bills() if line.kind == "gpu"]
    assert [float(line.amount(client.now)) for line in lines] == [
        pytest.approx(0.27 * 60 / 3600),
        pytest.approx(0.54 * 60 / 3600),
    ]


# Lists and reads.


@shows("list.lag")
def list_lag(client: Client) -> None:
    client.fault(list__lag=60)
    pod_id = client.create()
    assert client.names() == []
    assert client.call("GET", f"/v2/pods/{pod_id}").status == 200
    client.wait(61)
    assert client.names() == ["pod-1"]
    life = client.platform.history()[0]
    assert life.visible_at == life.asked_at + 60


@shows("list.ghosts")
def ghosts(client: Client) -> None:
    pod_id = client.running()
    client.fault(list__ghosts=30)
    client.call("DELETE", f"/v2/pods/{pod_id}")
    assert client.call("GET", "/v2/pods").json["pods"][0]["status"] == "RUNNING"
    assert client.platform.alive(client.now) == ()
    client.wait(31)
    assert client.names() == []


def pages(client: Client, count: int = 5) -> list[Any]:
    for number in range(count):
        client.create(f"p{number}")
    found, cursor = [], ""
    for _ in range(count):
        answer = client.call("GET", "/v2/pods", query=f"limit=2&cursor={cursor}")
        found.append(answer)
        cursor = answer.json.get("pagination", {}).get("nextCursor")
        if cursor is None:
            break
    return found


@shows("list.repeat_cursor")
def repeat_cursor(client: Client) -> None:
    client.fault(list__repeat_cursor=True)
    found = pages(client)
    assert len(found) == 5
    assert len({one.json["pagination"]["nextCursor"] for one in found}) == 1


@shows("list.drop_page")
def drop_page(client: Client) -> None:
    client.fault(list__drop_page=2)
    found = pages(client)
    assert [[pod["name"] for pod in one.json["pods"]] for one in found] == [["p0", "p1"], ["p4"]]


@shows("list.mid_500")
def mid_500(client: Client) -> None:
    client.fault(list__mid_500=True)
    assert [one.status for one in pages(client)] == [200, 500]


@shows("list.mid_delete")
def mid_delete(client: Client) -> None:
    """By numbers the pod behind the border moves over it and is on neither page; the next list has it."""
    client.fault(foreign_pods={"value": ["f0", "f1"]})
    client.fault(list__mid_delete={"value": 1, "calls": 1})
    shown = [[pod["name"] for pod in one.json["pods"]] for one in pages(client)]
    assert shown == [["f0", "f1"], ["p1", "p2"], ["p3", "p4"]]
    assert client.names() == ["f1", "p0", "p1", "p2", "p3", "p4"]


@shows("list.empty_once")
def empty_once(client: Client) -> None:
    client.create()
    client.fault(list__empty_once={"value": True, "calls": 1})
    assert client.names() == []
    assert client.names() == ["pod-1"]


@shows("list.strip_env")
def strip_env(client: Client) -> None:
    pod_id = client.create(env={"A": "1"})
    client.fault(list__strip_env=True)
    assert client.call("GET", "/v2/pods").json["pods"][0]["env"] == {}
    assert client.pod(pod_id)["env"] == {"A": "1"}


@shows("get.404_for")
def get_404_for(client: Client) -> None:
    client.fault(get__404_for=20)
    pod_id = client.create()
    assert client.call("GET", f"/v2/pods/{pod_id}").status == 404
    assert client.names() == ["pod-1"]
    client.wait(21)
    assert client.call("GET", f"/v2/pods/{pod_id}").status == 200


@shows("get.404")
def get_404(client: Client) -> None:
    pod_id = client.create()
    client.fault(get__404={"value": True, "calls": 2, "skip": 1})
    assert [client.call("GET", f"/v2/pods/{pod_id}").status for _ in range(4)] == [200, 404, 404, 200]


# Ending.


@shows("delete.404_then_visible")
def delete_404(client: Client) -> None:
    pod_id = client.create()
    client.fault(delete__404_then_visible={"value": True, "calls": 1})
    assert client.call("DELETE", f"/v2/pods/{pod_id}").status == 404
    assert client.call("GET", f"/v2/pods/{pod_id}").status == 200
    assert client.call("DELETE", f"/v2/pods/{pod_id}").status == 204


@shows("delete.ack_ignored")
def ack_ignored(client: Client) -> None:
    pod_id = client.create()
    client.fault(delete__ack_ignored={"value": True, "on": ["pods.delete"]})
    assert client.call("DELETE", f"/v2/pods/{pod_id}").status == 204
    assert client.names() == ["pod-1"]
    assert accepted(client)
    assert client.call("POST", f"/v2/pods/{pod_id}/action", {"action": "terminate"}).status == 204
    assert not accepted(client)


@shows("delete.fail_for")
def fail_for(client: Client) -> None:
    pod_id = client.create()
    client.fault(delete__fail_for={"value": 500, "for_s": 3600})
    assert client.call("DELETE", f"/v2/pods/{pod_id}").status == 500
    assert client.call("POST", f"/v2/pods/{pod_id}/action", {"action": "terminate"}).status == 500
    assert client.graphql(f'mutation {{ podTerminate(input: {{podId: "{pod_id}"}}) }}').status == 500
    client.wait(3600)
    assert client.call("DELETE", f"/v2/pods/{pod_id}").status == 204


@shows("pod.resurrect")
def resurrect(client: Client) -> None:
    pod_id = client.running()
    client.fault(pod__resurrect={"value": 60, "calls": 1})
    assert client.call("DELETE", f"/v2/pods/{pod_id}").status == 204
    assert (client.names(), client.call("GET", f"/v2/pods/{pod_id}").status) == ([], 404)
    assert accepted(client)
    client.wait(61)
    assert client.pod(pod_id)["status"] == "RUNNING"


# Accounts and money.


@shows("auth.switch_account")
def switch_account(client: Client) -> None:
    pod_id = client.create()
    client.fault(auth__switch_account="user_other")
    assert client.call("GET", f"/v2/pods/{pod_id}").status == 404
    assert client.names() == []
    assert client.graphql("{ myself { id } }").json["data"]["myself"]["id"] == "user_other"


@shows("auth.revoke")
def revoke(client: Client) -> None:
    client.fault(auth__revoke={"value": True, "after_s": 10, "for_s": 10})
    statuses = []
    for _ in range(3):
        statuses.append(client.call("GET", "/v2/pods").status)
        client.wait(10)
    assert statuses == [200, 401, 200]


@shows("auth.narrow")
def narrow(client: Client) -> None:
    client.fault(auth__narrow={"value": True, "on": ["pods.*"]})
    assert client.call("GET", "/v2/pods").status == 403
    assert client.call("GET", "/v2/network-volumes").status == 200


@shows("balance.zero")
def balance_zero(client: Client) -> None:
    client.create()
    client.fault(balance__zero={"value": True, "after_s": 100})
    client.wait(99)
    assert client.names() == ["pod-1"]
    client.wait(2)
    assert client.names() == []
    assert client.platform.history()[0].how == "balance"
    assert create(client).status == 402


# What reads say.


@shows("status.stale")
def stale(client: Client) -> None:
    pod_id = client.running()
    client.fault(status__stale=25)
    assert client.pod(pod_id)["status"] == "STARTING"


@shows("status.flap")
def flap(client: Client) -> None:
    pod_id = client.running()
    client.fault(status__flap=["RUNNING", "EXITED"])
    assert len({client.pod(pod_id)["status"] for _ in range(2)}) == 2


@shows("status.word")
def word(client: Client) -> None:
    pod_id = client.running()
    client.fault(status__word="MIGRATING")
    assert client.pod(pod_id)["status"] == "MIGRATING"
    assert client.call("GET", "/v2/pods").json["pods"][0]["status"] == "MIGRATING"


@shows("runtime.null")
def runtime_null(client: Client) -> None:
    pod_id = client.running()
    client.fault(runtime__null=True)
    assert client.pod(pod_id)["runtime"] is None


@shows("runtime.stale")
def runtime_stale(client: Client) -> None:
    pod_id = client.running()
    client.fault(runtime__stale=10)
    assert client.pod(pod_id)["runtime"]["uptime"] == 18 - 10


@shows("cost.string")
def cost_string(client: Client) -> None:
    client.fault(cost__string=True)
    assert create(client).json["cost"] == "0.27"


@shows("fields.new")
def fields_new(client: Client) -> None:
    client.fault(fields__new=True)
    assert create(client).json["carbon"]


@shows("clock.skew")
def skew(client: Client) -> None:
    plain = create(client, "plain")
    client.fault(clock__skew=3600)
    skewed = create(client, "skewed")
    assert plain.json["createdAt"][11:13] != skewed.json["createdAt"][11:13]
    assert plain.headers["date"] != skewed.headers["date"]


@shows("foreign_pods")
def foreign(client: Client) -> None:
    client.fault(foreign_pods=["lc1-lookalike", "theirs"])
    assert client.names() == ["lc1-lookalike", "theirs"]
    assert all(one.foreign for one in client.platform.alive(client.now))
    client.fault(foreign_pods=2)
    assert len(client.names()) == 4


# Pods.


@shows("pod.stuck_provisioning")
def stuck(client: Client) -> None:
    client.fault(pod__stuck_provisioning={"value": True, "calls": 1})
    pod_id = client.create()
    client.wait(7200)
    assert client.pod(pod_id)["status"] == "PROVISIONING"
    client.running("next")
    assert client.pod(pod_id)["status"] == "PROVISIONING"


@shows("pod.pull_fail")
def pull_fail(client: Client) -> None:
    client.fault(pod__pull_fail="starting")
    for_ever = client.running()
    client.fault(pod__pull_fail="exited")
    exited = client.running("b")
    assert (client.pod(for_ever)["status"], client.pod(exited)["status"]) == ("STARTING", "EXITED")


@shows("pod.zombie_host")
def zombie(client: Client) -> None:
    client.fault(pod__zombie_host=True)
    pod_id = client.create()
    client.wait(1000)
    pod = client.pod(pod_id)
    assert (pod["status"], pod["runtime"]["uptime"], pod["runtime"]["ports"]) == ("RUNNING", 0, [])
    assert client.platform.history()[0].starts == []


@shows("pod.error")
def error(client: Client) -> None:
    client.fault(pod__error=True)
    pod_id = client.running()
    assert (client.pod(pod_id)["status"], client.pod(pod_id)["actions"]) == ("ERROR", ["start", "terminate"])


@shows("pod.key_403")
def key_403(client: Client) -> None:
    statuses: list[int] = []
    client = swapped(
        client,
        lambda now: TimedScript(now, [(1, lambda at, box: statuses.append(box.terminate(at).status))]),
    )
    client.fault(pod__key_403=True)
    client.running()
    assert statuses == [403]
    assert accepted(client)


def swapped(client: Client, make: Callable[[float], TimedScript]) -> Client:
    """The same client, whose pods follow another script."""
    runner = client.platform.runner
    assert isinstance(runner, ScriptRunner)
    runner._scripts = lambda spec, now: make(now)
    return client


@shows("pod.oom")
def oom(client: Client) -> None:
    pod_id = client.running()
    client.fault(pod__oom=True)
    assert client.pod(pod_id)["status"] == "RUNNING"
    life = client.platform.history()[0]
    assert life.exits == [(client.now, 137)]
    client.wait(16)
    assert len(life.starts) == 2


@shows("spot.kill")
def spot(client: Client) -> None:
    told: list[float] = []
    swapped(client, lambda now: TimedScript(now, [], lambda at, box: told.append(at)))
    pod_id = client.running()
    client.fault(spot__kill={"value": True, "names": "pod-*"})
    assert told == [client.now]
    assert client.pod(pod_id)["status"] == "EXITED"
    assert client.platform.history()[0].stopped[0][1:] == ("platform", "spot")


@shows("start.zero_gpus")
def zero_gpus(client: Client) -> None:
    pod_id = client.running()
    path = f"/v2/pods/{pod_id}/action"
    client.call("POST", path, {"action": "stop"})
    client.fault(start__zero_gpus=True)
    assert client.call("POST", path, {"action": "start"}).json["gpu"]["count"] == 0


# Logs and bills.


@shows("logs.flood")
def flood(client: Client) -> None:
    pod_id = client.running()
    client.fault(logs__flood=100)
    body = client.call("GET", f"/v2/pods/{pod_id}/logs").body
    assert len(body) > 1_000_000
    assert b"\xff" in body


@shows("logs.gap")
def gap(client: Client) -> None:
    pod_id = client.running()
    path = f"/v2/pods/{pod_id}/logs"
    before = client.call("GET", path).body.count(b"id: ")
    client.fault(logs__gap=True)
    assert client.call("GET", path).body.count(b"id: ") == (before + 1) // 2 < before


@shows("logs.400")
def logs_400(client: Client) -> None:
    pod_id = client.running()
    client.fault(logs__400={"value": True, "calls": 1})
    assert [client.call("GET", f"/v2/pods/{pod_id}/logs").status for _ in range(2)] == [400, 200]


def billed(client: Client) -> float:
    told = client.call("GET", "/v2/billing/pods", query="bucketSize=hour&lastN=9").json
    return float(told["metadata"]["totals"]["gpuAmount"])


@shows("billing.lag")
def billing_lag(client: Client) -> None:
    client.create()
    client.wait(3600)
    client.fault(billing__lag=1800)
    assert billed(client) == pytest.approx(0.135)
    client.fault(billing__lag=0)
    assert billed(client) == pytest.approx(0.27)


@shows("billing.fix")
def billing_fix(client: Client) -> None:
    client.create()
    client.wait(3600)
    before = billed(client)
    client.fault(billing__fix=1.5)
    assert billed(client) == pytest.approx(before * 1.5)


# Rate limits, edge, network.


def exhausts(window: str) -> Test:
    def test(client: Client) -> None:
        client.platform.faults.arm_json({f"ratelimit.{window}": {"value": True, "for_s": 5}}, client.now)
        refused = client.call("GET", "/v2/pods")
        assert (refused.status, refused.json["detail"]) == (429, f"rate limit exceeded for the {window} window")
        assert f'"{window}";r=0' in refused.headers["ratelimit"]
        assert int(refused.headers["retry-after"]) > 0
        assert client.graphql("{ myself { id } }").status == 429
        client.wait(6)
        assert client.call("GET", "/v2/pods").status == 200

    return test


for _window in ("minute", "hour", "day"):
    TESTS[f"ratelimit.{_window}"] = exhausts(_window)


@shows("outage")
def outage(client: Client) -> None:
    pod_id = client.create()
    client.fault(outage={"value": "503", "for_s": 3600})
    assert client.call("DELETE", f"/v2/pods/{pod_id}").status == 503
    assert client.graphql("{ myself { id } }").status == 503
    client.fault(outage="refuse")
    assert client.call("DELETE", f"/v2/pods/{pod_id}").response.lost == "reset"
    client.fault(outage="hang")
    assert client.call("DELETE", f"/v2/pods/{pod_id}").response.lost == "hang"
    assert accepted(client)


@shows("edge.html200")
def html200(client: Client) -> None:
    client.fault(edge__html200=True)
    answer = client.call("GET", "/v2/pods")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html")
    assert answer.body.startswith(b"<html>")


@shows("edge.cut_json")
def cut_json(client: Client) -> None:
    client.create()
    client.fault(edge__cut_json=True)
    answer = client.call("GET", "/v2/pods")
    assert answer.status == 200
    assert unreadable(answer.body)


@shows("edge.cut")
def cut(client: Client) -> None:
    client.fault(edge__cut=True)
    assert client.call("GET", "/v2/pods").response.lost == "cut"


@shows("edge.cloudflare_1010")
def cloudflare(client: Client) -> None:
    client.fault(edge__cloudflare_1010=True)
    answer = client.call("GET", "/v2/pods")
    assert (answer.status, answer.body) == (403, b"error code: 1010")


@shows("redirect.evil")
def evil(client: Client) -> None:
    client.fault(redirect__evil="http://127.0.0.1:9/steal")
    answer = client.call("GET", "/v2/pods")
    assert (answer.status, answer.headers["location"]) == (307, "http://127.0.0.1:9/steal")


@shows("body.drip")
def drip(client: Client) -> None:
    client.fault(body__drip=0.5)
    assert client.call("GET", "/v2/pods").response.drip_s == 0.5


@shows("body.endless")
def endless(client: Client) -> None:
    client.fault(body__endless=True)
    follow = client.call("GET", "/v2/pods").response.follow
    assert follow is not None
    assert all(len(follow()) > 1000 for _ in range(3))


@shows("body.bomb")
def bomb(client: Client) -> None:
    client.fault(body__bomb=50_000_000)
    answer = client.call("GET", "/v2/pods")
    assert answer.headers["content-encoding"] == "gzip"
    assert len(answer.body) < 100_000
    assert len(gzip.decompress(answer.body)) > 50_000_000


@shows("latency")
def latency(client: Client) -> None:
    client.fault(latency={"value": 30, "on": ["pods.create"]})
    assert create(client).response.delay_s == 30
    assert client.call("GET", "/v2/pods").response.delay_s == 0


# The switches themselves.


def test_an_exempt_account_can_be_throttled_all_the_same() -> None:
    client = Client()
    client.fault(ratelimit__day=True)
    refused = client.call("GET", "/v2/pods")
    assert (refused.status, "ratelimit" in refused.headers) == (429, False)
    assert int(refused.headers["retry-after"]) > 0


def test_a_fault_that_begins_later_may_be_given_by_its_time() -> None:
    client = Client()
    client.fault(auth__revoke_at=10)
    assert client.call("GET", "/v2/pods").status == 200
    client.wait(10)
    assert client.call("GET", "/v2/pods").status == 401


def test_a_fault_can_be_kept_to_pods_by_name() -> None:
    client = Client()
    client.fault(create__fail={"value": 500, "names": "lc1-*-a001-*"})
    assert create(client, "lc1-x-a001-y").status == 500
    assert create(client, "lc1-x-a002-y").status == 201


def test_faults_can_be_given_as_types_and_healed() -> None:
    client = Client()
    client.platform.arm(Faults(outage=Switch("503"), list_lag=Switch(5.0)), client.now)
    assert client.call("GET", "/v2/pods").status == 503
    assert set(client.platform.faults.shown()) == {"outage", "list.lag"}
    client.fault(outage=None)
    assert client.call("GET", "/v2/pods").status == 200
    client.platform.faults.heal()
    assert client.platform.faults.shown() == {}


@pytest.mark.parametrize(
    "document",
    [
        {"no.such": True},
        {"outage": "sometimes"},
        {"latency": "slow"},
        {"latency": {"value": 1, "forever": True}},
        {"latency": {"calls": 1}},
    ],
)
def test_what_is_no_fault_is_refused_whole(document: Any) -> None:
    client = Client()
    with pytest.raises(ValueError, match=r"fault|value"):
        client.platform.faults.arm_json({"outage": "503", **document}, client.now)
    assert client.platform.faults.shown() == {}
