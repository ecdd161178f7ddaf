"""The emulated serverless platform: endpoints, callers, workers, and what time does to jobs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.emulators.runpod.settings import OTHER_KEY
from tests.emulators.runpod.wire import Surface
from tests.unit.emulators.runpod_kit import Answer, Client

BODY: dict[str, Any] = {
    "name": "predict",
    "type": "QUEUE",
    "image": "worker:1",
    "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4},
    "gpu": {"pools": ["AMPERE_24"], "count": 1},
}


class Endpoint(Client):
    """A platform with one endpoint, and a worker's calls."""

    def __init__(self) -> None:
        super().__init__()
        made = self.call("POST", "/v2/serverless", BODY)
        assert made.status == 201, made.body
        self.id = made.json["id"]
        self.made = made.json

    def ask(self, method: str, path: str, body: Any = None, query: str = "", **more: Any) -> Answer:
        return self.call(method, f"/v2/{self.id}/{path}", body, query=query, surface=Surface.SERVERLESS, **more)

    def run(self, value: Any = 1, **more: Any) -> str:
        return str(self.ask("POST", "run", {"input": value, **more}).json["id"])

    def take(self, worker: str = "w1") -> Answer:
        return self.ask("GET", f"job-take/{worker}", query="gpu=NVIDIA+L4&job_in_progress=0")

    def done(self, job_id: str, body: Any, worker: str = "w1", query: str = "gpu=x&isStream=false") -> None:
        headers = {"content-type": "application/x-www-form-urlencoded", "x-request-id": job_id}
        assert self.ask("POST", f"job-done/{worker}/{job_id}", body, query, headers=headers).status == 200

    def status(self, job_id: str) -> Any:
        return self.ask("GET", f"status/{job_id}").json


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint()


def test_a_job_waits_is_taken_and_gives_its_output(endpoint: Endpoint) -> None:
    job_id = endpoint.run({"x": 1})
    assert job_id.endswith("-u1")
    assert endpoint.status(job_id) == {"id": job_id, "status": "IN_QUEUE"}
    endpoint.wait(2)
    assert endpoint.take().json == {"id": job_id, "input": {"x": 1}}
    assert endpoint.status(job_id)["status"] == "IN_PROGRESS"
    endpoint.wait(3)
    endpoint.done(job_id, {"output": {"y": 2}})
    shown = endpoint.status(job_id)
    assert shown == {
        "id": job_id,
        "status": "COMPLETED",
        "delayTime": 2000,
        "executionTime": 3000,
        "output": {"y": 2},
        "workerId": "w1",
    }
    health = endpoint.ask("GET", "health").json
    assert (health["jobs"]["completed"], health["workers"]["idle"]) == (1, 1)


def test_a_take_is_held_until_there_is_a_job(endpoint: Endpoint) -> None:
    held = endpoint.take()
    assert (held.status, held.response.wait_s) == (204, 80)
    assert held.response.wait is not None
    assert held.response.wait(endpoint.now + 1) is None
    job_id = endpoint.run()
    found = held.response.wait(endpoint.now + 2)
    assert found is not None
    assert json.loads(found.body)["id"] == job_id


def test_a_batch_takes_the_oldest_first(endpoint: Endpoint) -> None:
    jobs = [endpoint.run(n) for n in range(3)]
    taken = endpoint.ask("GET", "job-take-batch/w1", query="job_in_progress=0&batch_size=2").json
    assert [one["id"] for one in taken] == jobs[:2]


def test_runsync_answers_with_the_whole_job_or_with_its_id(endpoint: Endpoint) -> None:
    held = endpoint.ask("POST", "runsync", {"input": 1}, query="wait=5000")
    assert held.json["status"] == "IN_QUEUE"
    assert held.json["id"].startswith("sync-")
    assert held.response.wait_s == 5
    endpoint.take()
    endpoint.done(held.json["id"], {"output": 7})
    assert held.response.wait is not None
    found = held.response.wait(endpoint.now)
    assert found is not None
    assert json.loads(found.body)["output"] == 7
    assert endpoint.ask("POST", "runsync", {"input": 1}, query="wait=999").status == 400


def test_results_are_kept_for_a_while_and_then_unknown(endpoint: Endpoint) -> None:
    job_id = endpoint.run()
    sync_id = endpoint.ask("POST", "runsync", {"input": 1}).json["id"]
    for one in (job_id, sync_id):
        endpoint.take()
        endpoint.done(one, {"output": 1})
    endpoint.wait(61)
    assert endpoint.ask("GET", f"status/{sync_id}").status == 404
    assert endpoint.ask("GET", f"status/{job_id}").status == 200
    endpoint.wait(1800)
    assert endpoint.ask("GET", f"status/{job_id}").status == 404


def test_a_job_past_its_ttl_is_gone_in_any_state(endpoint: Endpoint) -> None:
    job_id = endpoint.run(policy={"ttl": 20_000})
    endpoint.take()
    endpoint.wait(19)
    assert endpoint.status(job_id)["status"] == "IN_PROGRESS"
    endpoint.wait(2)
    assert endpoint.ask("GET", f"status/{job_id}").status == 404
    assert endpoint.ask("POST", "run", {"input": 1, "policy": {"ttl": 9000}}).status == 400


def test_a_job_past_its_execution_timeout_is_stopped_and_may_be_retried(endpoint: Endpoint) -> None:
    job_id = endpoint.run(policy={"executionTimeout": 5000})
    endpoint.take()
    endpoint.wait(6)
    assert endpoint.status(job_id)["status"] == "TIMED_OUT"
    assert endpoint.ask("GET", "job-stop/w1").json == {"jobsToStop": [job_id]}
    endpoint.done(job_id, {"output": "late"})
    assert "output" not in endpoint.status(job_id)
    assert endpoint.ask("POST", f"retry/{job_id}").json == {"id": job_id, "status": "IN_QUEUE"}
    endpoint.take()
    endpoint.done(job_id, {"output": "now"})
    assert endpoint.status(job_id)["output"] == "now"
    assert endpoint.ask("POST", f"retry/{job_id}").status == 400


def test_a_lost_worker_costs_one_retry_and_the_second_the_job(endpoint: Endpoint) -> None:
    job_id = endpoint.run()
    endpoint.take("w1")
    endpoint.wait(20)
    endpoint.ask("GET", "ping/w1", query=f"gpu=x&job_id={job_id}&runpod_version=1")
    endpoint.wait(29)
    assert endpoint.status(job_id)["status"] == "IN_PROGRESS"
    endpoint.wait(2)
    assert endpoint.status(job_id) == {"id": job_id, "status": "IN_QUEUE", "retries": 1}
    endpoint.take("w2")
    endpoint.done(job_id, {"output": "zombie"}, worker="w1")
    assert endpoint.status(job_id)["status"] == "IN_PROGRESS"
    endpoint.wait(31)
    assert endpoint.status(job_id)["error"] == "job timed out after 1 retries"
    assert endpoint.status(job_id)["status"] == "FAILED"


def test_cancelling_and_purging(endpoint: Endpoint) -> None:
    running = endpoint.run()
    endpoint.take()
    waiting = [endpoint.run() for _ in range(3)]
    assert endpoint.ask("POST", f"cancel/{running}").json == {"id": running, "status": "CANCELLED"}
    assert endpoint.ask("POST", f"cancel/{waiting[0]}").json["status"] == "CANCELLED"
    assert endpoint.ask("GET", "job-stop/w1").json == {"jobsToStop": [running]}
    assert endpoint.ask("POST", "purge-queue").json == {"removed": 2, "status": "completed"}
    assert endpoint.ask("GET", f"status/{waiting[1]}").status == 404


def test_a_stream_drains_what_it_returns(endpoint: Endpoint) -> None:
    job_id = endpoint.run()
    endpoint.take()
    for n in range(2):
        endpoint.ask("POST", f"job-stream/w1/{job_id}", {"output": n}, query="gpu=x&isStream=false")
    assert endpoint.ask("GET", f"stream/{job_id}").json == {
        "status": "IN_PROGRESS",
        "stream": [{"output": 0}, {"output": 1}],
    }
    held = endpoint.ask("GET", f"stream/{job_id}")
    assert (held.json["stream"], held.response.wait_s) == ([], 10)
    endpoint.done(job_id, {"output": []}, query="gpu=x&isStream=true")
    assert endpoint.ask("GET", f"stream/{job_id}").json == {"status": "COMPLETED", "stream": []}


def test_progress_errors_and_workers_that_want_to_be_replaced(endpoint: Endpoint) -> None:
    job_id = endpoint.run()
    endpoint.take()
    endpoint.done(job_id, {"status": "IN_PROGRESS", "output": "half"})
    assert endpoint.status(job_id)["output"] == "half"
    endpoint.done(job_id, {"error": '{"error_type": "x"}', "stopPod": True})
    shown = endpoint.status(job_id)
    assert (shown["status"], shown["error"], shown.get("output")) == ("FAILED", '{"error_type": "x"}', None)
    assert endpoint.call("GET", f"/v2/serverless/{endpoint.id}/workers").json["summary"]["total"] == 0


def test_an_unhealthy_worker_shows(endpoint: Endpoint) -> None:
    endpoint.ask("GET", "ping/w1", query="status=unhealthy&check=gpu&reason=none")
    workers = endpoint.call("GET", f"/v2/serverless/{endpoint.id}/workers").json
    assert workers["workers"][0]["status"] == "UNHEALTHY"
    assert endpoint.ask("GET", "health").json["workers"]["unhealthy"] == 1


def test_routes_have_limits_and_methods(endpoint: Endpoint) -> None:
    assert [endpoint.ask("POST", "purge-queue").status for _ in range(3)] == [200, 200, 429]
    endpoint.wait(10)
    assert endpoint.ask("POST", "purge-queue").status == 200
    assert endpoint.ask("GET", "run").status == 405
    assert endpoint.ask("GET", "rockets").status == 404
    assert endpoint.ask("POST", "run", b"x" * (10 * 2**20 + 1)).status == 413
    assert endpoint.ask("GET", "health", key=OTHER_KEY).status == 404
    assert endpoint.ask("GET", "health", key=None).status == 401
    raw = endpoint.ask("GET", "health", key=None, headers={"authorization": "rpa_MAIN0000000000000000000000000000"})
    assert raw.status == 200


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"surprise": 1}, 422),
        ({"scaling": {"type": "QUEUE_DELAY", "queueDelay": 0.1}}, 422),
        ({"scaling": {"type": "REQUEST_COUNT"}}, 422),
        ({"scaling": {"type": "REQUEST_COUNT", "requestCount": 1}, "workers": {"idleTimeout": 5}}, 422),
        ({"type": "LOAD_BALANCER"}, 422),
        ({"workers": {"min": 4}}, 400),
        ({"gpu": {"pools": ["NVIDIA L4"]}}, 400),
        ({"cpu": [{"id": "cpu3c", "vcpuCount": 2}]}, 400),
        ({"networkVolumes": ["nope"]}, 404),
        ({}, 201),
    ],
)
def test_endpoint_bodies_are_checked(change: Any, status: int) -> None:
    assert Client().call("POST", "/v2/serverless", {**BODY, **change}).status == status


def test_endpoints_change_and_go(endpoint: Endpoint) -> None:
    path = f"/v2/serverless/{endpoint.id}"
    assert endpoint.made["requestUrls"]["runSync"].endswith(f"/{endpoint.id}/runsync")
    assert endpoint.made["workers"] == {"min": 0, "max": 3, "idleTimeout": 10}
    gpu = {"pools": ["AMPERE_24"], "excludedTypes": ["NVIDIA L4"]}
    assert endpoint.call("PATCH", path, {"gpu": gpu}).json["gpu"]["excludedTypes"] == ["NVIDIA L4"]
    assert endpoint.call("PATCH", path, {"gpu": {"pools": ["ADA_24"]}}).json["gpu"]["excludedTypes"] == []
    assert endpoint.call("PATCH", path, {"gpu": {"excludedTypes": []}}).status == 422
    endpoint.call("PATCH", path, {"workers": {"min": 1}})
    assert endpoint.platform.ledger.burn("user_main") > 1
    assert len(endpoint.call("GET", "/v2/serverless").json["endpoints"]) == 1
    assert endpoint.call("GET", f"{path}/releases").json["endpointVersion"] == 4
    endpoint.wait(7200)
    billed = endpoint.call("GET", "/v2/billing/serverless", query="bucketSize=hour&lastN=5").json
    assert billed["metadata"]["totals"]["gpuAmount"] > 1
    assert billed["records"][0]["serverlessId"] == endpoint.id
    assert endpoint.call("DELETE", path).status == 204
    assert endpoint.platform.ledger.burn("user_main") == 0
    assert endpoint.call("GET", path).status == 404
