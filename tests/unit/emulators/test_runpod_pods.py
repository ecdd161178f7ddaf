"""The emulated control plane's pods: what is refused, how a pod lives, what lists show."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.emulators.runpod.problems import NO_CAPACITY
from tests.emulators.runpod.settings import NO_RIGHTS_KEY, OTHER_KEY, READ_KEY, AccountSettings, Image, Settings
from tests.emulators.runpod.wire import Surface
from tests.unit.emulators.runpod_kit import GPU, T0, Client


@pytest.fixture
def client() -> Client:
    return Client()


def status_of(client: Client, pod_id: str) -> str:
    return str(client.pod(pod_id)["status"])


def test_a_pod_is_placed_then_pulled_then_runs(client: Client) -> None:
    pod_id = client.create()
    assert status_of(client, pod_id) == "PROVISIONING"
    client.wait(3)
    assert status_of(client, pod_id) == "STARTING"
    assert client.pod(pod_id)["runtime"] is None
    client.wait(10)
    assert status_of(client, pod_id) == "RUNNING"
    assert client.pod(pod_id)["runtime"]["uptime"] == 1


def test_each_change_happens_at_its_own_time_however_late_the_core_is_called(client: Client) -> None:
    pod_id = client.create()
    client.wait(1000)
    assert client.pod(pod_id)["runtime"]["uptime"] == 1000 - 12


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"name": None}, "$.name: got null, want string"),
        ({"name": ""}, "$.name: minLength: got 0, want 1"),
        ({"surprise": 1}, "$: additional properties 'surprise' not allowed"),
        ({"gpu": {"count": 1}}, "$.gpu: missing property 'id'"),
        ({"gpu": {"id": GPU, "count": 0}}, "$.gpu.count: minimum: got 0, want 1"),
        ({"env": {"A": 1}}, "$.env.A: got number, want string"),
        ({"disk": 0}, "$.disk: minimum: got 0, want 1"),
        ({"cloud": "PRIVATE"}, "$.cloud: value must be one of 'SECURE', 'COMMUNITY'"),
        ({"mounts": {"network": [{"volumeId": "x"}]}}, "$.mounts.network[0]: missing property 'path'"),
        ({"image": ...}, "$: missing property 'image'"),
    ],
)
def test_a_body_that_breaks_the_schema_is_refused_with_what_is_wrong(client: Client, change: Any, told: str) -> None:
    body = {name: value for name, value in {**client.body(), **change}.items() if value is not ...}
    refused = client.call("POST", "/v2/pods", body)
    assert refused.status == 422
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json["title"] == "Unprocessable Entity"
    assert told in refused.json["errors"]
    assert client.names() == []


@pytest.mark.parametrize(
    "change",
    [
        {"cpu": {"id": "cpu3c", "vcpuCount": 2}},
        {"gpu": ...},
        {"gpu": {"id": GPU, "allowedCudaVersions": ["12.8"], "minCudaVersion": "12.4"}},
        {"gpu": {"id": "NVIDIA RTX A40"}},
        {"dataCenterIds": ["us-west"]},
        {"ports": ["8888"]},
        {"args": "'unclosed"},
        {"args": "sleep 1", "cmd": ["sleep", "2"]},
        {"env": {f"V{n}": "" for n in range(51)}},
        {"mounts": {"network": [{"volumeId": "v", "path": "/w"}], "persistent": {"size": 10, "path": "/w"}}},
    ],
)
def test_rules_between_fields_are_refused_with_400(client: Client, change: Any) -> None:
    body = {name: value for name, value in {**client.body(), **change}.items() if value is not ...}
    refused = client.call("POST", "/v2/pods", body)
    assert refused.status == 400
    assert refused.json["detail"] != NO_CAPACITY


def test_both_forms_of_a_command_may_agree(client: Client) -> None:
    assert client.create(args="sleep 2", cmd=["sleep", "2"])


def test_the_august_dialect_knows_neither_arrays_nor_pages() -> None:
    client = Client(Settings(spec="2026-08", quotas={}))
    assert client.call("POST", "/v2/pods", client.body(cmd=["x"])).status == 422
    wish = {"id": GPU, "count": 1, "minRamPerGpu": 8}
    assert client.call("POST", "/v2/pods", client.body(gpu=wish)).status == 422
    client.create("a")
    client.create("b")
    listed = client.call("GET", "/v2/pods", query="limit=1").json
    assert "pagination" not in listed
    assert len(listed["pods"]) == 2
    assert "cmd" not in listed["pods"][0]
    assert "vcpuCount" not in listed["pods"][0]["gpu"]


def test_the_later_dialect_returns_arrays_and_their_text_form(client: Client) -> None:
    pod = client.pod(client.create(entrypoint=["sh", "-c"], cmd=["echo hi"]))
    assert (pod["entrypoint"], pod["cmd"]) == (["sh", "-c"], ["echo hi"])
    assert json.loads(pod["args"]) == {"entrypoint": ["sh", "-c"], "cmd": ["echo hi"]}


def test_no_capacity_is_told_by_text_only(client: Client) -> None:
    client = Client(Settings(quotas={}, stock={f"{GPU}@EU-RO-1": 1}))
    client.create(dataCenterIds=["EU-RO-1"])
    refused = client.call("POST", "/v2/pods", client.body(dataCenterIds=["EU-RO-1"]))
    assert (refused.status, refused.json["detail"]) == (400, NO_CAPACITY)
    assert client.pod(client.create(dataCenterIds=["EU-RO-1", "US-KS-2"]))["dataCenterId"] == "US-KS-2"


def test_vcpus_run_out_by_flavour_and_place_as_gpus_do() -> None:
    client = Client(Settings(quotas={}, stock={"cpu3c@EU-RO-1": 4}))
    body = {"name": "c", "image": "x", "cpu": {"id": "cpu3c", "vcpuCount": 4}, "dataCenterIds": ["EU-RO-1"]}

    def said() -> str:
        shown = client.call("GET", "/v2/catalog/cpus/cpu3c", query="include=AVAILABILITY&product=POD").json
        places = client.call("GET", "/v2/catalog/datacenters/EU-RO-1", query="include=CPU_AVAILABILITY").json
        [word] = {one["availability"] for one in shown["dataCenters"] if one["id"] == "EU-RO-1"}
        assert word == places["cpuAvailability"][0]["availability"]
        assert shown["availability"] == "HIGH", "elsewhere there are enough"
        return str(word)

    assert said() == "LOW"
    assert client.call("POST", "/v2/pods", body).status == 201
    assert said() == "NONE"
    refused = client.call("POST", "/v2/pods", body)
    assert (refused.status, refused.json["detail"]) == (400, NO_CAPACITY)
    assert client.call("POST", "/v2/pods", body | {"cpu": {"id": "cpu3g", "vcpuCount": 4}}).status == 201


def test_a_stopped_pod_gives_its_gpu_back() -> None:
    client = Client(Settings(quotas={}, stock={f"{GPU}@EU-RO-1": 1}))
    pod_id = client.running(dataCenterIds=["EU-RO-1"])
    client.call("POST", f"/v2/pods/{pod_id}/action", {"action": "stop"})
    client.create("next", dataCenterIds=["EU-RO-1"])


def test_a_volume_pins_its_pods_to_its_data_center(client: Client) -> None:
    client.platform.add_volume("user_main", "v", 10, "US-KS-2", client.now, "vol1")
    mounts = {"network": [{"volumeId": "vol1", "path": "/workspace"}]}
    pod = client.pod(client.create(mounts=mounts))
    assert (pod["dataCenterId"], pod["mounts"]) == ("US-KS-2", mounts)
    elsewhere = client.call("POST", "/v2/pods", client.body(mounts=mounts, dataCenterIds=["EU-RO-1"]))
    assert elsewhere.json["detail"] == NO_CAPACITY
    unknown = {"network": [{"volumeId": "nope", "path": "/w"}]}
    assert client.call("POST", "/v2/pods", client.body(mounts=unknown)).status == 404


def test_an_hour_must_be_payable() -> None:
    account = AccountSettings({"k": "all"}, balance=Decimal("0.20"), denied_gpus=("NVIDIA L4",))
    client = Client(Settings(quotas={}, accounts={"user_main": account}))
    assert client.call("POST", "/v2/pods", client.body(), key="k").status == 402
    assert client.call("POST", "/v2/pods", client.body(gpu={"id": "NVIDIA L4"}), key="k").status == 403
    client.platform.set_balance("user_main", Decimal(1), client.now)
    assert client.call("POST", "/v2/pods", client.body(), key="k").status == 201


def test_a_body_past_the_bound_is_413(client: Client) -> None:
    assert client.call("POST", "/v2/pods", client.body(args="x" * 102_400)).status == 413


def test_keys_decide_what_is_seen_and_done(client: Client) -> None:
    pod_id = client.create()
    assert client.call("GET", "/v2/pods", key=None).json["detail"] == "missing bearer token"
    assert client.call("GET", "/v2/pods", key="wrong").status == 401
    assert client.call("GET", "/v2/pods", key=NO_RIGHTS_KEY).status == 403
    assert client.call("GET", f"/v2/pods/{pod_id}", key=READ_KEY).status == 200
    assert client.call("DELETE", f"/v2/pods/{pod_id}", key=READ_KEY).status == 403
    assert client.call("GET", f"/v2/pods/{pod_id}", key=OTHER_KEY).status == 404
    assert client.call("DELETE", f"/v2/pods/{pod_id}", key=OTHER_KEY).status == 404
    assert client.call("GET", "/v2/pods", key=OTHER_KEY).json["pods"] == []


def test_unknown_paths_and_methods(client: Client) -> None:
    assert client.call("GET", "/v2/rockets").status == 404
    refused = client.call("PUT", "/v2/pods")
    assert (refused.status, refused.headers["allow"]) == (405, "GET, POST")


def test_every_reply_has_an_id_of_its_own(client: Client) -> None:
    ids = [client.call("GET", "/v2/pods", key=key).headers["x-request-id"] for key in (None, "x", READ_KEY)]
    assert len(set(ids)) == 3


def test_quotas_are_told_and_enforced() -> None:
    client = Client(Settings(quotas={"minute": 2, "hour": 100}))
    first = client.call("GET", "/v2/pods")
    assert first.headers["ratelimit-policy"] == '"minute";q=2;w=60, "hour";q=100;w=3600'
    assert first.headers["ratelimit"].startswith('"minute";r=1;t=')
    client.call("GET", "/v2/pods")
    refused = client.call("GET", "/v2/pods")
    assert refused.status == 429
    assert refused.json["detail"] == "rate limit exceeded for the minute window"
    assert 1 <= int(refused.headers["retry-after"]) <= 61
    assert "ratelimit" not in client.call("GET", "/v2/pods", key=None).headers
    client.wait(int(refused.headers["retry-after"]))
    assert client.call("GET", "/v2/pods").status == 200


def test_lists_come_in_pages(client: Client) -> None:
    for n in range(5):
        client.create(f"p{n}")
    names: list[str] = []
    cursor: str | None = ""
    for _ in range(3):
        page = client.call("GET", "/v2/pods", query=f"limit=2&cursor={cursor}&unknown=1").json
        names += [pod["name"] for pod in page["pods"]]
        cursor = page["pagination"]["nextCursor"]
        assert page["pagination"]["hasNextPage"] is (cursor is not None)
    assert cursor is None
    assert names == ["p0", "p1", "p2", "p3", "p4"]
    for bad in ("limit=0", "limit=1001", "limit=x"):
        assert client.call("GET", "/v2/pods", query=bad).status == 422
    assert client.call("GET", "/v2/pods", query="cursor=nonsense").status == 400


def test_actions_follow_the_table(client: Client) -> None:
    pod_id = client.create()
    path = f"/v2/pods/{pod_id}/action"
    assert client.call("POST", path, {"action": "start"}).status == 409
    assert client.call("POST", path, {"action": "restart"}).status == 409
    assert client.call("POST", path, {"action": "reset"}).status == 422
    assert client.call("POST", path, {}).status == 422
    client.wait(30)
    stopped = client.call("POST", path, {"action": "stop"}).json
    assert (stopped["status"], stopped["cost"], stopped["actions"]) == ("EXITED", 0.0, ["start", "terminate"])
    assert client.call("POST", path, {"action": "stop"}).status == 409
    client.call("POST", path, {"action": "start"})
    assert status_of(client, pod_id) == "STARTING"
    client.wait(30)
    assert status_of(client, pod_id) == "RUNNING"
    assert client.call("POST", path, {"action": "terminate"}).status == 204
    assert client.call("POST", path, {"action": "terminate"}).status == 404


def test_a_deleted_pod_is_gone_at_once(client: Client) -> None:
    pod_id = client.running()
    gone = client.call("DELETE", f"/v2/pods/{pod_id}")
    assert (gone.status, gone.body) == (204, b"")
    assert client.call("GET", f"/v2/pods/{pod_id}").status == 404
    assert client.call("DELETE", f"/v2/pods/{pod_id}").status == 404
    assert client.names() == []
    assert client.platform.alive(client.now) == ()
    life = client.platform.history()[0]
    assert (life.created_at, life.ended_at, life.ended_by, life.how) == (T0, T0 + 30, "account", "pods.delete")


def test_a_changed_name_leaves_the_program_alone_and_a_changed_image_begins_it_anew(client: Client) -> None:
    pod_id = client.running()
    client.wait(100)
    assert client.call("PATCH", f"/v2/pods/{pod_id}", {"name": "other"}).json["name"] == "other"
    assert client.pod(pod_id)["runtime"]["uptime"] > 100
    assert client.call("PATCH", f"/v2/pods/{pod_id}", {"image": "debian"}).json["image"] == "debian"
    assert client.pod(pod_id)["runtime"]["uptime"] == 0
    assert client.call("PATCH", f"/v2/pods/{pod_id}", {"mounts": {"network": []}}).status == 400
    assert client.call("PATCH", f"/v2/pods/{pod_id}", {"gpu": {"id": GPU}}).status == 422


def test_a_template_fills_in_and_the_body_wins(client: Client) -> None:
    made = client.call(
        "POST", "/v2/templates", {"name": "t", "image": "from-template", "env": {"A": "1", "B": "1"}, "disk": 7}
    ).json
    body = {"name": "p", "templateId": made["id"], "gpu": {"id": GPU, "count": 1}, "env": {"B": "2"}}
    pod = client.call("POST", "/v2/pods", body).json
    assert (pod["image"], pod["env"], pod["disk"], pod["template"]) == ("from-template", {"A": "1", "B": "2"}, 7, None)
    assert client.call("POST", "/v2/pods", {**body, "templateId": "nope"}).status == 404
    other = client.call("POST", "/v2/templates", {"name": "s", "image": "x", "serverless": True}).json
    assert client.call("POST", "/v2/pods", {**body, "templateId": other["id"]}).status == 422


@pytest.mark.parametrize(("failure", "status"), [("starting", "STARTING"), ("exited", "EXITED")])
def test_an_image_that_cannot_be_pulled_shows_in_the_system_log_only(failure: Any, status: str) -> None:
    client = Client(Settings(quotas={}, images={"known": Image()}, pull_failure=failure))
    pod_id = client.create(image="unknown")
    client.wait(300)
    assert status_of(client, pod_id) == status
    log = client.call("GET", f"/v2/pods/{pod_id}/logs", query="source=system").body.decode()
    assert "cannot fetch image unknown" in log


def test_the_catalogue_shows_prices_and_what_is_free(client: Client) -> None:
    plain = client.call("GET", "/v2/catalog/gpus").json["gpus"]
    assert "availability" not in plain[0]
    assert client.call("GET", "/v2/catalog/gpus", query="include=AVAILABILITY").status == 400
    assert client.call("GET", "/v2/catalog/gpus", query="product=POD").status == 400
    assert client.call("GET", "/v2/catalog/gpus", query="include=WORDS&product=POD").status == 422
    path = f"/v2/catalog/gpus/{GPU.replace(' ', '%20')}"
    one = client.call("GET", path, query="include=AVAILABILITY&product=POD").json
    assert (one["price"]["secure"], one["memory"], one["availability"]) == (0.27, 24, "HIGH")
    assert {place["id"] for place in one["dataCenters"]} > {"EU-RO-1", "US-KS-2"}
    assert client.call("GET", "/v2/catalog/gpus/NVIDIA%20RTX%20A40").status == 404
    places = client.call("GET", "/v2/catalog/datacenters", query="include=GPU_AVAILABILITY&regions=EUROPE").json
    assert {place["region"] for place in places["dataCenters"]} == {"EUROPE"}
    assert places["dataCenters"][0]["gpuAvailability"][0]["availability"] == "HIGH"
    assert client.call("GET", "/v2/catalog/cpus/cpu3c").json["vcpu"]["min"] == 2


def test_a_price_of_a_place_is_what_a_pod_there_costs() -> None:
    client = Client(Settings(quotas={}, prices={f"{GPU}@US-KS-2": Decimal("0.31")}))
    assert client.pod(client.create(dataCenterIds=["US-KS-2"]))["cost"] == 0.31
    assert client.pod(client.create(gpu={"id": GPU, "count": 2}))["cost"] == 0.54


def test_a_cpu_pod(client: Client) -> None:
    body = {"name": "c", "image": "x", "cpu": {"id": "cpu3c", "vcpuCount": 2}}
    pod = client.call("POST", "/v2/pods", body).json
    assert (pod["cpu"], pod["cost"]) == ({"id": "cpu3c", "vcpuCount": 2, "memory": 4}, 0.06)
    assert client.call("POST", "/v2/pods", {**body, "cpu": {"id": "cpu3c", "vcpuCount": 3}}).status == 400


def test_volumes_grow_and_never_shrink(client: Client) -> None:
    body = {"name": "v", "size": 10, "dataCenter": "EU-RO-1"}
    made = client.call("POST", "/v2/network-volumes", body)
    assert made.status == 201
    path = f"/v2/network-volumes/{made.json['id']}"
    assert made.json == {"id": made.json["id"], **body, "type": "STANDARD"}
    assert client.call("POST", "/v2/network-volumes", {**body, "size": 9}).status == 422
    assert client.call("POST", "/v2/network-volumes", {**body, "dataCenter": "US-DE-1"}).status == 400
    assert client.call("PATCH", path, {"size": 20}).json["size"] == 20
    assert client.call("PATCH", path, {"size": 15}).status == 400
    assert client.call("PATCH", path, {}).status == 422
    assert client.call("GET", path, key=OTHER_KEY).status == 404
    assert client.call("DELETE", path).status == 204
    assert client.call("GET", "/v2/network-volumes").json == {"networkVolumes": []}


def test_registries_never_return_what_they_hold(client: Client) -> None:
    made = client.call("POST", "/v2/registries", {"name": "r", "username": "u", "password": "p"})
    assert made.json == {"id": made.json["id"], "name": "r"}
    assert client.create(registry=made.json["id"])
    assert client.call("POST", "/v2/pods", client.body(registry="nope")).status == 404
    assert client.call("DELETE", f"/v2/registries/{made.json['id']}").status == 204


def test_an_outside_that_sends_the_default_agent_of_python_is_turned_away(client: Client) -> None:
    turned = client.call("GET", "/v2/pods", headers={"user-agent": "Python-urllib/3.11"})
    assert (turned.status, turned.body) == (403, b"error code: 1010")


def test_calls_are_counted_by_name_and_credential(client: Client) -> None:
    pod_id = client.create()
    client.pod(pod_id)
    client.call("GET", "/v2/pods", key="wrong")
    client.graphql("{ myself { id } }")
    platform = client.platform
    assert platform.calls == {"pods.create": 1, "pods.get": 1, "pods.list": 1, "graphql.myself": 1}
    assert platform.answers["pods.list 401"] == 1
    asked = [(one.call, one.caller, one.id) for one in platform.asked]
    assert asked[:2] == [("pods.create", "user_main/account", ""), ("pods.get", "user_main/account", pod_id)]


def test_the_same_seed_gives_the_same_platform() -> None:
    def run() -> list[tuple[bytes, dict[str, str]]]:
        client = Client(seed=3)
        client.create(ports=["22/tcp"])
        client.wait(50)
        answers = [client.call("GET", "/v2/pods"), client.graphql("{ myself { clientBalance } }")]
        return [(one.body, dict(one.headers)) for one in answers]

    assert run() == run()


def test_other_surfaces_are_not_mixed_up(client: Client) -> None:
    assert client.call("GET", "/bucket/key", surface=Surface.S3).status == 404
