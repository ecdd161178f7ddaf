"""Every route of the admin socket answers with its document, or with a problem."""

from __future__ import annotations

import asyncio
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from actors.admin.limits import Limits
from messages import admin
from messages.errors import ERRORS, Refusal
from providers.interface import Refused, StorageFull, Unavailable
from tests.integration.socket import examples
from tests.integration.socket.conftest import Site, until

GOLDEN = Path(__file__).parents[2] / "golden"
CSV = b"a,b,churn\n1,2,yes\n3,4,no\n"


async def problem(response: Any, status: int, code: str) -> dict[str, Any]:
    assert response.status == status, await response.text()
    assert response.headers["Content-Type"] == "application/problem+json"
    found: dict[str, Any] = await response.json(content_type=None)
    assert found["code"] == code
    assert found["docs"] == ERRORS[code].docs
    assert found["hint"]
    assert found["request_id"] == response.headers["X-Request-Id"]
    return found


async def lines(response: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (await response.text()).splitlines()]


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        ("/v1/status", "status/v1"),
        ("/v1/version", "version/v1"),
        ("/v1/jobs", "ps/v1"),
        ("/v1/jobs?limit=5&cursor=abc&all=1", "ps/v1"),
        ("/v1/jobs/churn-7fa", "train/v1"),
        ("/v1/jobs/@last/wait?timeout_s=1", "train/v1"),
        ("/v1/machines", "machines/v1"),
        ("/v1/costs?by=model", "cost/v1"),
        ("/v1/costs/billed?since=2026-11-02", "bill_price/v1"),
        ("/v1/datasets", "datasets/v1"),
        ("/v1/models", "models/v1"),
        ("/v1/models/churn-7fa", "model/v1"),
        ("/v1/compare?first=churn-7fa&second=churn-8bc", "compare/v1"),
    ],
)
async def test_every_read_answers_with_its_document(site: Site, path: str, schema: str) -> None:
    response = await site.get(path)
    assert response.status == 200
    assert (await response.json())["schema"] == schema


@pytest.mark.parametrize(
    ("path", "golden"),
    [("/v1/jobs/churn-7fa", "train"), ("/v1/jobs", "ps"), ("/v1/costs", "cost"), ("/v1/machines", "machines")],
)
async def test_documents_are_the_goldens_the_command_line_is_tested_with(site: Site, path: str, golden: str) -> None:
    response = await site.get(path)
    assert json.loads(await response.text()) == json.loads((GOLDEN / f"{golden}.json").read_text())


async def test_health_readiness_config_and_numbers_are_served(site: Site) -> None:
    assert (await (await site.get("/healthz")).json()) == {"status": "ok"}
    ready = await (await site.get("/readyz")).json()
    assert ready["ready"] is True
    assert ready["checks"]["listing"]["age_s"] == 1.0
    assert (await (await site.get("/v1/config")).json()) == {"provider": "local"}
    text = await (await site.get("/metrics")).text()
    assert 'lastcall_jobs{state="running"} 1.0' in text
    assert 'lastcall_mailbox_depth{actor="supervisor"} 1.0' in text
    assert 'lastcall_admin_requests_total{method="GET",status="200"}' in text
    assert "process_" not in text


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"safe_mode": "a second writer"}, "safe_mode"),
        ({"last_complete_listing": None}, "listing"),
        ({"last_complete_listing": examples.at(-61)}, "listing"),
        ({"alarms": (examples.status().alarms[0].model_copy(update={"alarm": "journal"}),)}, "journal"),
    ],
)
async def test_it_is_not_ready_when_a_check_fails(site: Site, changes: dict[str, Any], check: str) -> None:
    site.node.status_now = examples.status(**changes)
    response = await site.get("/readyz")
    assert response.status == 503
    body = await response.json()
    assert body["checks"][check]["ok"] is False
    await site.get("/metrics")


async def test_an_unready_daemon_says_so_when_it_drains(site: Site) -> None:
    site.gateway.drain()
    response = await site.get("/readyz")
    assert response.status == 503
    assert (await response.json())["checks"]["draining"] == {"ok": False}


async def test_an_upload_becomes_a_data_set_and_comes_back_byte_by_byte(site: Site) -> None:
    data = CSV * 20_000
    added = await site.post("/v1/datasets?name=big.csv", data=data)
    assert added.status == 201
    body = (await added.json())["dataset"]
    assert (body["name"], body["size_bytes"]) == ("big.csv", len(data))
    assert "key" not in body
    shown = await (await site.get("/v1/datasets/big.csv")).json()
    assert shown["dataset"] == body
    content = await site.get(f"/v1/datasets/{body['id']}/content")
    assert content.headers["Content-Disposition"] == "attachment; filename*=UTF-8''big.csv"
    assert await content.read() == data
    removed = await site.delete("/v1/datasets/big.csv")
    assert await removed.json() == {"schema": "removed/v1", "id": body["id"], "name": "big.csv"}
    await problem(await site.get("/v1/datasets/big.csv"), 404, "E-NOTFOUND")


async def test_the_same_upload_with_the_same_key_is_one_data_set_and_other_bytes_are_refused(site: Site) -> None:
    """Fault 76."""
    key = {"Idempotency-Key": "k1"}
    first = await (await site.post("/v1/datasets?name=a.csv", data=CSV, headers=key)).json()
    again = await (await site.post("/v1/datasets?name=a.csv", data=CSV, headers=key)).json()
    assert again == first
    other = await site.post("/v1/datasets?name=a.csv", data=b"other", headers=key)
    await problem(other, 422, "E-IDEMPOTENCY")


async def test_an_address_becomes_a_data_set_without_a_byte_sent(site: Site) -> None:
    key = {"Idempotency-Key": "k1"}
    query = "from=runpod://vol123/datasets/user_x/big%20one.csv"
    added = await (await site.post(f"/v1/datasets?{query}", headers=key)).json()
    assert added["dataset"]["name"] == "big one.csv"
    [asked] = site.node.storage.asked
    assert (asked.address, asked.name) == ("runpod://vol123/datasets/user_x/big one.csv", None)
    assert asked.command_id.endswith(":k1")
    named = await (await site.post(f"/v1/datasets?{query}&name=mine")).json()
    assert named["dataset"]["name"] == "mine"


async def test_an_address_that_comes_with_bytes_or_is_not_ours_is_refused(site: Site) -> None:
    both = await site.post("/v1/datasets?from=runpod://vol123/x", data=CSV)
    await problem(both, 400, "E-BADREQUEST")
    assert site.node.storage.asked == []
    await problem(await site.post("/v1/datasets?from=runpod://other/x"), 403, "E-KEY")


async def test_what_an_actor_refuses_is_its_problem_and_is_not_audited_twice(site: Site) -> None:
    await problem(await site.post("/v1/datasets?name=a.csv", data=b""), 422, "E-CSV-EMPTY")
    assert site.node.audits == []


async def test_an_order_is_priced_dry_and_then_accepted_under_its_key(site: Site) -> None:
    order = {"dataset": "customers.csv", "target": "churn", "max_cost_usd": "5", "parameters": {"trees": 10}}
    plan = await site.post("/v1/jobs?dry_run=1", json=order)
    assert (await plan.json())["schema"] == "plan/v1"
    accepted = await site.post("/v1/jobs", json=order, headers={"Idempotency-Key": "k-1"})
    assert accepted.status == 202
    assert accepted.headers["Location"] == f"/v1/jobs/{examples.JOB}"
    assert (await accepted.json())["job_id"] == examples.JOB
    asked = site.node.dispatcher.asked
    assert [type(q) for q in asked] == [admin.PlanTraining, admin.SubmitTraining]
    assert asked[1].command_id.startswith("api:")
    assert asked[1].command_id.endswith(":k-1")


async def test_a_post_without_a_key_gets_a_random_one(site: Site) -> None:
    for _ in range(2):
        await site.post("/v1/stop")
    first, second = (q.command_id for q in site.node.dispatcher.asked)
    assert first != second


async def test_one_job_and_all_jobs_are_stopped(site: Site) -> None:
    one = await (await site.post("/v1/jobs/churn-7fa/stop")).json()
    assert one == {"schema": "stop/v1", "stopped": [examples.JOB]}
    every = await (await site.post("/v1/stop")).json()
    assert len(every["stopped"]) == 2


async def test_a_job_is_followed_until_it_is_closed(site: Site) -> None:
    found = await lines(await site.get("/v1/jobs/churn-7fa/follow"))
    assert [d["job"]["state"] for d in found] == ["running", "running", "closed"]


async def test_log_and_events_resume_after_a_position(site: Site) -> None:
    assert [e["line"] for e in await lines(await site.get("/v1/jobs/churn-7fa/logs?after=1:1"))] == [2, 3]
    assert [e["position"] for e in await lines(await site.get("/v1/events?after=2"))] == [3]
    assert await lines(await site.get("/v1/events?after=3")) == []


async def test_a_console_streams_from_its_place_on_and_ends_with_the_reader(site: Site) -> None:
    pieces = await lines(await site.get("/v1/jobs/churn-7fa/console"))
    assert [p["position"] for p in pieces] == ["1:5", "1:9"]
    assert [p["text"] for p in await lines(await site.get("/v1/jobs/churn-7fa/console?after=1:5"))] == ["ge\nstarted\n"]
    site.node.release.clear()
    followed = await site.get("/v1/jobs/churn-7fa/console?follow=1")
    assert json.loads(await followed.content.readline())["position"] == "1:5"
    followed.close()
    await until(lambda: not site.node.looking)


async def test_a_console_that_is_gone_is_a_problem_however_late_that_is_known(site: Site) -> None:
    site.node.console_pieces = []
    site.node.release.clear()
    asked = asyncio.create_task(site.get("/v1/jobs/churn-7fa/console"))
    await until(lambda: site.node.looking == 1)
    site.clock.advance(5)
    await asyncio.sleep(0.01)
    site.node.release.set()
    found = await problem(await asked, 404, "E-NOTFOUND")
    assert found["hint"] == "Read its log: lastcall logs churn-7fa"


async def test_wait_answers_when_the_job_is_over(site: Site) -> None:
    site.node.job_now = examples.running()
    response = await site.get("/v1/jobs/churn-7fa/wait?timeout_s=5")
    assert (await response.json())["job"]["outcome"] == "succeeded"


async def test_wait_ends_with_a_problem_when_its_time_is_over(site: Site) -> None:
    site.node.job_now = examples.running()
    site.node.release.clear()
    before = len(site.node.dispatcher.asked)
    task = asyncio.ensure_future(site.get("/v1/jobs/churn-7fa/wait?timeout_s=5"))
    await until(lambda: site.gateway.connections == 1)
    for _ in range(200):
        await asyncio.sleep(0.001)
        site.clock.advance(1)
        if task.done():
            break
    await problem(await task, 408, "E-WAIT")
    assert len(site.node.dispatcher.asked) == before


async def test_a_job_that_can_not_be_followed_to_its_end_is_a_temporary_problem(site: Site) -> None:
    site.node.job_now = examples.running()
    site.node.documents = [examples.running()]
    await problem(await site.get("/v1/jobs/churn-7fa/wait"), 503, "E-BUSY")


async def test_a_models_file_and_a_prediction_are_served(site: Site) -> None:
    file = await site.get("/v1/models/churn-7fa/files/model.skops")
    assert await file.read() == b"model bytes"
    made = await site.post("/v1/predictions?model=churn-7fa&name=rows.csv&column=p", data=CSV)
    assert made.status == 201
    body = await made.json()
    assert body["rows"] == 2
    assert site.node.storage.asked[-1].column == "p"
    rows = await site.get(f"/v1/predictions/{body['id']}/content")
    assert await rows.read() == b"a,b\n1,2\n3,4"
    removed = await site.delete("/v1/models/churn-7fa")
    assert (await removed.json())["id"] == examples.MODEL
    await problem(await site.get("/v1/predictions/nonsense/content"), 404, "E-NOTFOUND")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v1/jobs/nobody", "E-NOTFOUND"),
        ("/v1/jobs/nobody/logs", "E-NOTFOUND"),
        ("/v1/jobs/nobody/follow", "E-NOTFOUND"),
        ("/v1/jobs/nobody/wait", "E-NOTFOUND"),
        ("/v1/models/nobody", "E-NOTFOUND"),
        ("/v1/models/churn-7fa/files/other", "E-NOTFOUND"),
        ("/v1/jobs/%00", "E-NOTFOUND"),
        ("/v1/jobs/" + "x" * 300, "E-NOTFOUND"),
        ("/v1/nothing", "E-NOTFOUND"),
        ("/", "E-NOTFOUND"),
        ("/v1/jobs?limit=0", "E-BADREQUEST"),
        ("/v1/jobs?limit=1001", "E-BADREQUEST"),
        ("/v1/jobs?limit=NaN", "E-BADREQUEST"),
        ("/v1/jobs?limit=" + "9" * 40, "E-BADREQUEST"),
        ("/v1/jobs?cursor=", "E-BADREQUEST"),
        ("/v1/jobs?all=perhaps", "E-BADREQUEST"),
        ("/v1/jobs/churn-7fa/logs?after=x", "E-BADREQUEST"),
        ("/v1/jobs/churn-7fa/console?after=1", "E-BADREQUEST"),
        ("/v1/jobs/churn-7fa/console?after=1:-1", "E-BADREQUEST"),
        ("/v1/jobs/nobody/console", "E-NOTFOUND"),
        ("/v1/jobs/churn-7fa/wait?timeout_s=-1", "E-BADREQUEST"),
        ("/v1/costs?by=weather", "E-BADREQUEST"),
        ("/v1/costs/billed?since=yesterday", "E-BADREQUEST"),
        ("/v1/costs/billed?until=2026-02-30", "E-BADREQUEST"),
        ("/v1/events?after=-1", "E-BADREQUEST"),
    ],
)
async def test_what_is_wrong_or_missing_is_a_problem_and_is_audited(site: Site, path: str, code: str) -> None:
    response = await site.get(path)
    await problem(response, ERRORS[code].status, code)
    if site.node.audits:
        assert site.node.audits[-1][3:5] == (False, code)


async def test_a_question_to_the_bill_reaches_the_node_with_its_key_and_a_look_at_its_price_does_not(
    site: Site,
) -> None:
    await site.get("/v1/costs/billed")
    assert site.node.bills == []
    response = await site.post("/v1/costs/billed?since=2026-11-02&until=2026-11-05", headers={"Idempotency-Key": "k1"})
    assert (await response.json())["schema"] == "billed/v1"
    [(command, since, until)] = site.node.bills
    assert command.endswith(":k1")
    assert (since, until) == (date(2026, 11, 2), date(2026, 11, 5))


@pytest.mark.parametrize(
    "path", ["/v1/datasets", "/v1/datasets?name=", "/v1/datasets?name=%0a", "/v1/predictions?name=x"]
)
async def test_a_stream_without_a_proper_name_is_refused(site: Site, path: str) -> None:
    await problem(await site.post(path, data=CSV), 400, "E-BADREQUEST")


async def test_another_method_is_refused_with_the_ones_that_work(site: Site) -> None:
    response = await site.send("PUT", "/v1/jobs")
    await problem(response, 405, "E-BADREQUEST")
    assert response.headers["Allow"] == "GET, POST"


@pytest.mark.parametrize("key", ["", "with space", "x" * 129, "ü"])
async def test_a_bad_idempotency_key_is_refused(site: Site, key: str) -> None:
    response = await site.post("/v1/stop", headers={"Idempotency-Key": key})
    await problem(response, 400, "E-BADREQUEST")


async def test_while_draining_new_work_waits_but_reads_and_stops_go_on(site: Site) -> None:
    site.gateway.drain()
    response = await site.post("/v1/jobs", json={"dataset": "a", "target": "b"})
    await problem(response, 503, "E-DRAINING")
    assert response.headers["Retry-After"] == "1"
    await problem(await site.post("/v1/datasets?name=a", data=CSV), 503, "E-DRAINING")
    assert (await site.get("/v1/jobs")).status == 200
    assert (await site.post("/v1/jobs/churn-7fa/stop")).status == 200
    assert (await site.post("/v1/stop")).status == 200


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Refusal("E-BUSY", "dispatcher: full"), 503, "E-BUSY"),
        (TimeoutError(), 503, "E-BUSY"),
        (Unavailable("storage is away"), 503, "E-BUSY"),
        (StorageFull("put: the volume is full"), 507, "E-STORAGEFULL"),
        (Refused("put: the store denied it"), 502, "E-STORAGE"),
        (RuntimeError("secret insides"), 500, "E-INTERNAL"),
        (Refusal("E-CAPTOOSMALL", "at least $0.08", hint="raise it to 0.08"), 422, "E-CAPTOOSMALL"),
    ],
)
async def test_every_failure_behind_the_socket_is_a_problem(
    site: Site, error: Exception, status: int, code: str
) -> None:
    def fail(_: Any) -> Any:
        raise error

    site.node.dispatcher.answers[admin.StopAll] = fail
    found = await problem(await site.post("/v1/stop"), status, code)
    assert "insides" not in json.dumps(found)
    assert site.node.audits == []


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [(StorageFull("full"), 507, "E-STORAGEFULL"), (Refused("denied"), 502, "E-STORAGE")],
)
async def test_a_store_that_refuses_an_upload_is_told_and_audited(
    site: Site, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, code: str
) -> None:
    async def put(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(site.node.store, "put", put)
    await problem(await site.post("/v1/datasets?name=a", data=CSV), status, code)
    assert [audit[4] for audit in site.node.audits] == [code]


async def test_an_upload_is_committed_for_as_long_as_its_size_needs(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, float] = {}
    ask = site.node.storage.ask

    async def timed(question: Any, timeout_s: float) -> Any:
        asked[type(question).__name__] = timeout_s
        return await ask(question, timeout_s=timeout_s)

    monkeypatch.setattr(site.node.storage, "ask", timed)
    assert (await site.post("/v1/datasets?name=a", data=CSV)).status == 201
    limits = Limits()
    assert asked == {"BeginUpload": limits.ask_s, "CommitUpload": limits.working_s(len(CSV))}


async def test_bytes_missing_in_storage_are_not_found(site: Site) -> None:
    site.node.store.objects.clear()
    await problem(await site.get("/v1/models/churn-7fa/files/model.skops"), 404, "E-NOTFOUND")


async def test_a_failing_audit_does_not_hide_the_answer(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: Any) -> None:
        raise RuntimeError("journal")

    monkeypatch.setattr(site.gateway._audit, "_audit", fail)
    await problem(await site.get("/v1/nothing"), 404, "E-NOTFOUND")


async def test_refusals_are_audited_at_a_bounded_rate_and_the_rest_is_counted(site: Site) -> None:
    for _ in range(60):
        await site.get("/v1/nothing")
    assert len(site.node.audits) == 50
    site.clock.advance(1)
    await site.get("/v1/nothing")
    assert "10 more refusals" in site.node.audits[-1][5]
