"""The platform over real HTTP: streams, and connections that end badly."""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.emulators.runpod.launch import Emulator
from tests.emulators.runpod.settings import MAIN_KEY
from tests.integration.runpod_emulator.pods_kit import FAST, Pods
from tests.support.patience import PATIENCE_S, wait_until


@pytest.fixture(scope="module")
def pods(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pods]:
    """One emulator for all of them; each switches on what it needs for one call."""
    with Emulator(tmp_path_factory.mktemp("wire") / "platform", settings=FAST) as emulator:
        yield Pods(emulator)


HEADERS = {"authorization": f"Bearer {MAIN_KEY}", "user-agent": "test/1"}


def connect(pods: Pods, timeout: float = PATIENCE_S) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(pods.emulator.urls["rest"]).netloc, timeout=timeout)


def test_the_log_stream_brings_lines_as_they_come_and_stays_open(pods: Pods) -> None:
    pod_id = pods.start("for n in 1 2 3; do echo line $n; sleep 0.2; done; sleep 60")
    connection = connect(pods)
    wait_until(lambda: pods.get(pod_id)["status"] == "RUNNING", "it runs")
    connection.request("GET", f"/v2/pods/{pod_id}/logs?source=container", headers=HEADERS)
    answer = connection.getresponse()
    assert answer.headers["content-type"] == "text/event-stream"
    lines: list[str] = []
    while len(lines) < 3:
        line = answer.fp.readline().decode()
        if line.startswith("data: "):
            lines.append(json.loads(line[6:])["line"])
    assert lines == ["line 1", "line 2", "line 3"]
    connection.close()


def test_connections_end_as_told(pods: Pods) -> None:
    pods.emulator.control({"faults": {"outage": {"value": "refuse", "calls": 1}}})
    with pytest.raises(ConnectionResetError):
        ask(pods)
    pods.emulator.control({"faults": {"outage": {"value": "hang", "calls": 1}}})
    with pytest.raises(TimeoutError):
        ask(pods, timeout=0.3)
    pods.emulator.control({"faults": {"edge.cut": {"value": True, "calls": 1}}})
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        ask(pods)
    assert ask(pods).status == 200


def ask(pods: Pods, timeout: float = PATIENCE_S) -> http.client.HTTPResponse:
    connection = connect(pods, timeout)
    try:
        connection.request("GET", "/v2/pods", headers=HEADERS)
        answer = connection.getresponse()
        answer.read()
        return answer
    finally:
        connection.close()


def test_bodies_drip_or_never_end(pods: Pods) -> None:
    body_bytes = int(ask(pods).headers["content-length"])  # of however many pods other tests left
    pods.emulator.control({"faults": {"body.drip": {"value": 0.5 / body_bytes, "calls": 1}}})
    began = time.monotonic()
    assert ask(pods).status == 200
    assert time.monotonic() - began > 0.3
    pods.emulator.control({"faults": {"body.endless": {"value": True, "calls": 1}}})
    connection = connect(pods)
    connection.request("GET", "/v2/pods", headers=HEADERS)
    answer = connection.getresponse()
    assert len(answer.read(5_000_000)) == 5_000_000
    connection.close()
    assert ask(pods).status == 200


def test_late_answers_and_redirects(pods: Pods) -> None:
    pods.emulator.control({"faults": {"latency": {"value": 0.3, "calls": 1}}})
    began = time.monotonic()
    ask(pods)
    assert time.monotonic() - began > 0.3
    pods.emulator.control({"faults": {"redirect.evil": {"value": "http://127.0.0.1:9/", "calls": 1}}})
    assert (ask(pods).status, ask(pods).status) == (307, 200)


def test_what_the_control_does_not_know_is_refused(pods: Pods) -> None:
    for body in (b"[]", b'{"fault": {}}', b'{"faults": {"none": 1}}', b"x"):
        request = urllib.request.Request(pods.emulator.urls["control"], body)
        with pytest.raises(urllib.request.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=PATIENCE_S)
        assert refused.value.code == 400
        refused.value.close()
    shown = pods.emulator.control({"faults": {"latency": 5}, "s3": {}, "balance": {"user_main": "12.5"}})
    assert shown["faults"]["latency"]["value"] == 5
    assert 12.49 < float(shown["balances"]["user_main"]) <= 12.5
    assert pods.emulator.control({"heal": True})["faults"] == {}


def test_it_listens_on_loopback_only(pods: Pods) -> None:
    for name, url in pods.emulator.urls.items():
        if name != "pid":
            assert urlsplit(url).hostname == "127.0.0.1"


def test_wheels_are_served_as_an_index_and_counted(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (wheels / "Some_Thing-1.0-py3-none-any.whl").write_bytes(b"wheel")
    with Emulator(tmp_path / "p", settings=FAST, program="none", wheels=wheels) as emulator:
        index = emulator.urls["index"]
        assert "some-thing/" in read(index)
        page = read(f"{index}some.thing/")
        assert f"#sha256={hashlib.sha256(b'wheel').hexdigest()}" in page
        assert read(f"{index}some-thing/Some_Thing-1.0-py3-none-any.whl") == "wheel"
        for missing in ("other/", "some-thing/..%2f..%2fsecret"):
            with pytest.raises(urllib.request.HTTPError) as refused:
                read(f"{index}{missing}")
            assert refused.value.code == 404
            refused.value.close()
        counted = emulator.control()["index"]
    assert counted["index.project some-thing"] == 1
    assert counted["index.file Some_Thing-1.0-py3-none-any.whl"] == 1


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
        return str(answer.read().decode())


def test_a_port_may_be_chosen_by_nobody_twice(pods: Pods) -> None:
    ports = [urlsplit(pods.emulator.urls[name]).port for name in ("rest", "serverless", "s3")]
    assert len(set(ports)) == 3
    for port in ports:
        socket.create_connection(("127.0.0.1", port or 0), timeout=PATIENCE_S).close()
