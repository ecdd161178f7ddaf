"""Pods that run scripts: restarts, self-termination, what the pod's own key may do, logs, GraphQL."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.emulators.runpod.runner import PodSpec
from tests.emulators.runpod.scripts import Action, Box, ScriptRunner, TimedScript
from tests.emulators.runpod.settings import AccountSettings, Settings
from tests.emulators.runpod.wire import Response
from tests.unit.emulators.runpod_kit import T0, Client

STARTED = T0 + 12
"""When a pod created at T0 runs."""


def scripted(actions: Sequence[tuple[float, Action]], on_term: Action | None = None, **settings: Any) -> Client:
    runner = ScriptRunner(lambda spec, now: TimedScript(now, actions, on_term))
    return Client(Settings(quotas={}, **settings), runner)


def recorded(**settings: Any) -> tuple[Client, list[PodSpec]]:
    """A platform whose pods do nothing, and what was started there."""
    specs: list[PodSpec] = []

    def make(spec: PodSpec, now: float) -> TimedScript:
        specs.append(spec)
        return TimedScript(now, [])

    return Client(Settings(quotas={}, **settings), ScriptRunner(make)), specs


def exits(code: int) -> Action:
    return lambda now, box: box.exit(code)


@pytest.mark.parametrize("code", [0, 1, 137])
def test_a_program_that_ends_is_started_again_for_ever_while_the_pod_runs_and_bills(code: int) -> None:
    client = scripted([(10, exits(code))])
    pod_id = client.create()
    client.wait(12 + 10 + 5)
    shown = client.pod(pod_id)
    assert (shown["status"], shown["cost"], shown["runtime"]["uptime"]) == ("RUNNING", 0.27, 0)
    client.wait(10 + 4)
    assert client.pod(pod_id)["runtime"]["uptime"] == 4
    client.wait(1000)
    life = client.platform.history()[0]
    assert life.starts[:3] == [STARTED, STARTED + 25, STARTED + 50]
    assert life.exits[:2] == [(STARTED + 10, code), (STARTED + 35, code)]
    log = client.call("GET", f"/v2/pods/{pod_id}/logs", query="source=system&tail=5000").body.decode()
    assert log.count("start container") == len(life.starts) > 30


def test_a_script_knows_which_start_it_is() -> None:
    starts: list[int] = []

    def make(spec: PodSpec, now: float) -> TimedScript:
        starts.append(spec.start)
        return TimedScript(now, [(1, exits(0))])

    client = Client(Settings(quotas={}), ScriptRunner(make))
    client.create()
    client.wait(12 + 40)
    assert starts == [1, 2, 3]


def test_next_due_names_every_change_so_that_a_simulator_never_polls() -> None:
    client = scripted([(10, exits(0))])
    client.create()
    seen = []
    while (due := client.platform.next_due(client.now)) is not None and due < T0 + 60:
        client.now = due
        client.platform.tick(due)
        seen.append(due - T0)
    assert seen == [2, 12, 22, 37, 47]


def test_scripts_write_into_the_volume_and_end_their_own_pod() -> None:
    answers: list[Response] = []

    def write(now: float, box: Box) -> None:
        assert box.files is not None
        box.files.put("result.json", b"{}", now)

    def end(now: float, box: Box) -> None:
        answers.append(box.terminate(now))

    client = scripted([(5, write), (6, end)])
    volume = client.platform.add_volume("user_main", "v", 10, "EU-RO-1", client.now, "vol1")
    client.create(mounts={"network": [{"volumeId": "vol1", "path": "/workspace"}]})
    client.wait(100)
    assert volume.files.read("result.json") == b"{}"
    assert [one.status for one in answers] == [204]
    life = client.platform.history()[0]
    assert (life.ended_at, life.ended_by, life.how) == (STARTED + 6, "pod", "pods.delete")


def test_what_runs_when_a_pod_is_deleted_still_has_its_grace() -> None:
    done: list[float] = []
    client = scripted([], on_term=lambda now, box: done.append(now))
    pod_id = client.running()
    client.call("DELETE", f"/v2/pods/{pod_id}")
    assert done == [client.now]
    assert client.platform.alive(client.now) == ()


def test_after_its_grace_a_deleted_pod_does_nothing_more() -> None:
    done: list[float] = []
    client = scripted([(n, lambda now, box: done.append(now)) for n in range(20, 40)], terminate_grace_s=3)
    pod_id = client.running()
    client.call("DELETE", f"/v2/pods/{pod_id}")
    client.wait(60)
    assert done == [STARTED + 20]


KeyUse = Callable[[Client, str, str, str], int]


@pytest.mark.parametrize(
    ("use", "status"),
    [
        (lambda c, key, own, other: c.call("DELETE", f"/v2/pods/{own}", key=key).status, 204),
        (lambda c, key, own, other: c.call("POST", f"/v2/pods/{own}/action", {"action": "stop"}, key=key).status, 200),
        (
            lambda c, key, own, other: (
                c.call("POST", f"/v2/pods/{own}/action", {"action": "terminate"}, key=key).status
            ),
            204,
        ),
        (lambda c, key, own, other: c.graphql(terminate(own), key=key).status, 200),
        (
            lambda c, key, own, other: c.call("POST", f"/v2/pods/{own}/action", {"action": "restart"}, key=key).status,
            403,
        ),
        (lambda c, key, own, other: c.call("PATCH", f"/v2/pods/{own}", {"name": "x"}, key=key).status, 403),
        (lambda c, key, own, other: c.call("GET", f"/v2/pods/{own}", key=key).status, 403),
        (lambda c, key, own, other: c.call("GET", "/v2/pods", key=key).status, 403),
        (lambda c, key, own, other: c.call("POST", "/v2/pods", c.body(), key=key).status, 403),
        (lambda c, key, own, other: c.call("DELETE", f"/v2/pods/{other}", key=key).status, 403),
        (lambda c, key, own, other: c.graphql(terminate(other), key=key).status, 403),
        (lambda c, key, own, other: c.graphql("{ myself { id } }", key=key).status, 403),
    ],
)
def test_the_key_in_a_pod_may_end_that_pod_and_nothing_else(use: KeyUse, status: int) -> None:
    client, specs = recorded()
    own = client.running("own")
    other = client.running("other")
    assert specs[0].env["RUNPOD_API_KEY"] == specs[0].api_key != specs[1].api_key
    assert use(client, specs[0].api_key, own, other) == status
    assert (own in {one.pod_id for one in client.platform.alive(client.now)}) is (
        status == 403 or client.platform.calls["pods.action.stop"] == 1
    )
    assert other in {one.pod_id for one in client.platform.alive(client.now)}


def test_a_second_end_by_the_pod_itself_finds_nothing() -> None:
    client, specs = recorded()
    own = client.running()
    assert client.call("DELETE", f"/v2/pods/{own}", key=specs[0].api_key).status == 204
    assert client.call("DELETE", f"/v2/pods/{own}", key=specs[0].api_key).status == 404


def test_what_is_injected_wins_and_secrets_are_filled_in() -> None:
    account = AccountSettings({"k": "all"}, secrets={"token": "s3cret"})
    client, specs = recorded(accounts={"user_main": account})
    env = {"RUNPOD_API_KEY": "mine", "T": "{{ RUNPOD_SECRET_token }}", "U": "{{ RUNPOD_SECRET_none }}"}
    made = client.call(
        "POST", "/v2/pods", client.body(env=env, ports=["22/tcp", "80/http"], args="python -c 'print(1)'"), key="k"
    ).json
    client.wait(30)
    seen = specs[0].env
    assert specs[0].command == ("python", "-c", "print(1)")
    assert seen["RUNPOD_API_KEY"] != "mine"
    assert (seen["T"], seen["U"]) == ("s3cret", "{{ RUNPOD_SECRET_none }}")
    assert (seen["RUNPOD_POD_ID"], seen["RUNPOD_DC_ID"], seen["RUNPOD_GPU_COUNT"]) == (made["id"], "EU-RO-1", "1")
    assert seen["RUNPOD_TCP_PORT_22"].isdecimal()
    assert "RUNPOD_TCP_PORT_80" not in seen
    assert made["env"] == env


@pytest.mark.parametrize(
    ("body", "command"),
    [
        ({"args": "sh -c 'echo a b'"}, ("sh", "-c", "echo a b")),
        ({"args": '{"entrypoint": ["sh", "-c"], "cmd": ["echo a"]}'}, ("sh", "-c", "echo a")),
        ({"entrypoint": ["sh"], "cmd": ["-c", "true"]}, ("sh", "-c", "true")),
        ({"cmd": ["true"]}, ("true",)),
        ({}, ("sleep", "infinity")),
    ],
)
def test_the_command_in_each_of_its_forms(body: Any, command: tuple[str, ...]) -> None:
    client, specs = recorded()
    client.running(**body)
    assert specs[0].command == command


def terminate(pod_id: str) -> str:
    return f'mutation {{ podTerminate(input: {{podId: "{pod_id}"}}) }}'


def test_graphql_tells_the_balance_and_ends_pods() -> None:
    client = Client()
    pod_id = client.running()
    client.wait(3600 - 30)
    told = client.graphql("query Q { me: myself { id clientBalance currentSpendPerHr spendLimit } }").json["data"]["me"]
    assert told["id"] == "user_main"
    assert told["clientBalance"] == pytest.approx(100 - 0.276849, abs=1e-5)
    assert told["spendLimit"] == 80
    stop = client.graphql("mutation S($id: String!) { podStop(input: {podId: $id}) { id desiredStatus } }", id=pod_id)
    assert stop.json == {"data": {"podStop": {"id": pod_id, "desiredStatus": "EXITED"}}}
    assert client.graphql(terminate(pod_id)).json == {"data": {"podTerminate": None}}
    again = client.graphql(terminate(pod_id))
    assert again.status == 200
    assert again.json["errors"][0]["message"] == "pod not found to terminate"
    assert client.graphql(f'{{ pod(input: {{podId: "{pod_id}"}}) {{ id }} }}').json == {"data": {"pod": None}}
    types = client.graphql('{ gpuTypes(input: {id: "NVIDIA L4"}) { id securePrice lowestPrice { stockStatus } } }')
    assert types.json["data"]["gpuTypes"] == [
        {"id": "NVIDIA L4", "securePrice": 0.43, "lowestPrice": {"stockStatus": "High"}}
    ]


@pytest.mark.parametrize(
    "query", ["{ __schema { types } }", "{ unknown { id } }", "{ myself { nope } }", "not graphql", "{ myself { id }"]
)
def test_graphql_errors_come_with_200(query: str) -> None:
    answer = Client().graphql(query)
    assert answer.status == 200
    assert answer.json["errors"][0]["message"]


def test_graphql_wants_a_key() -> None:
    assert Client().graphql("{ myself { id } }", key=None).status == 401


def frames(body: bytes) -> list[tuple[str, str]]:
    found = []
    for frame in body.decode().split("\n\n")[:-1]:
        number, data = frame.split("\n")
        found.append((number.removeprefix("id: "), json.loads(data.removeprefix("data: "))["line"]))
    return found


def test_logs_can_be_read_from_anywhere_and_never_end() -> None:
    client = scripted([(n, lambda now, box, n=n: box.log(f"line {n}")) for n in range(1, 8)])  # type: ignore[misc]
    pod_id = client.create()
    client.wait(12 + 5)
    path = f"/v2/pods/{pod_id}/logs"
    answer = client.call("GET", path, query="source=container")
    assert answer.headers["content-type"] == "text/event-stream"
    first = frames(answer.body)
    assert [line for _, line in first] == [f"line {n}" for n in range(1, 6)]
    assert answer.response.follow is not None
    assert answer.response.follow() == b""
    client.wait(5)
    assert [line for _, line in frames(answer.response.follow())] == ["line 6", "line 7"]
    after = client.call("GET", path, query="tail=1", headers={"last-event-id": first[-1][0]})
    assert [line for _, line in frames(after.body)] == ["line 6", "line 7"]
    assert len(frames(client.call("GET", path, query="tail=2").body)) == 2
    since = first[3][0].partition("/")[0]
    assert frames(client.call("GET", path, query=f"since={since}&tail=1&source=container").body)[0][1] == "line 4"
    assert client.call("GET", path, query="tail=5001").status == 422
    assert client.call("GET", path, query="source=kernel").status == 422
    client.call("DELETE", f"/v2/pods/{pod_id}")
    assert client.call("GET", path).status == 404


def test_what_a_container_said_is_lost_two_minutes_after_it_and_the_systems_lines_stay() -> None:
    client = scripted([(1, lambda now, box: box.log("the last word"))])
    pod_id = client.create()
    client.wait(12 + 5)
    client.call("POST", f"/v2/pods/{pod_id}/action", {"action": "stop"})
    path = f"/v2/pods/{pod_id}/logs"
    client.wait(110)
    assert [line for _, line in frames(client.call("GET", path, query="source=container").body)] == ["the last word"]
    client.wait(30)
    assert frames(client.call("GET", path, query="source=container").body) == []
    assert frames(client.call("GET", path, query="source=system").body) != []
