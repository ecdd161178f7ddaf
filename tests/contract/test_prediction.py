"""What every prediction provider keeps (providers/interface.py)."""

from __future__ import annotations

import json

import pytest

from providers.interface import CloudPredictionProvider, NotFound, PredictionReply, PredictionRequest, Unavailable
from tests.support.providers.subjects import Subject, chunks, content


def predictions(subject: Subject) -> CloudPredictionProvider:
    return subject.provider.prediction


async def prepared(subject: Subject, number: int = 1, limit_s: float = 60) -> PredictionRequest:
    """Put a model and an input in place and return a request about them."""
    manifest = json.dumps({"artifacts": [{"name": "model.skops", "size_bytes": 1, "sha256": "00"}]}).encode()
    await subject.provider.storage.put("models/m/manifest.json", chunks(manifest))
    await subject.provider.storage.put("models/m/model.skops", chunks(b"x"))
    await subject.provider.storage.put("in.csv", chunks(b"x\n1\n2\n3\n"))
    return PredictionRequest(
        id=f"prd_{number}",
        model_key="models/m",
        input_key="in.csv",
        output_key=f"out/{number}.csv",
        column="churn",
        limit_s=limit_s,
    )


async def opened(subject: Subject) -> None:
    await predictions(subject).ensure_endpoint()


async def replied(subject: Subject, prediction_id: str) -> PredictionReply:
    for _ in range(200):
        reply = await predictions(subject).status(prediction_id)
        if reply is not None:
            return reply
        await subject.advance(0.02)
    raise TimeoutError(prediction_id)


async def test_making_the_endpoint_twice_makes_one(provider_under_test: Subject) -> None:
    assert await predictions(provider_under_test).ensure_endpoint() == (
        await predictions(provider_under_test).ensure_endpoint()
    )


async def test_an_invoked_prediction_is_answered_with_rows_and_cost(provider_under_test: Subject) -> None:
    await opened(provider_under_test)
    request = await prepared(provider_under_test)
    reply = await provider_under_test.run(predictions(provider_under_test).invoke(request))
    assert (reply.ok, reply.rows, reply.code) == (True, 3, None)
    lines = (await content(provider_under_test.provider.storage.get("out/1.csv"))).split()
    assert lines[0] == b"churn"
    assert len(lines) == 4
    assert reply.seconds >= 0


async def test_a_submitted_prediction_is_answered_by_status(provider_under_test: Subject) -> None:
    await opened(provider_under_test)
    request = await prepared(provider_under_test)
    await predictions(provider_under_test).submit(request)
    assert (await replied(provider_under_test, request.id)).rows == 3


async def test_the_same_id_again_starts_nothing(provider_under_test: Subject) -> None:
    await opened(provider_under_test)
    request = await prepared(provider_under_test)
    await predictions(provider_under_test).submit(request)
    await predictions(provider_under_test).submit(request)
    first = await replied(provider_under_test, request.id)
    await provider_under_test.provider.storage.delete("out/1.csv")
    await predictions(provider_under_test).submit(request)
    assert await provider_under_test.run(predictions(provider_under_test).invoke(request)) == first
    with pytest.raises(NotFound):
        await provider_under_test.provider.storage.stat("out/1.csv")


async def test_an_unknown_prediction_is_not_found(provider_under_test: Subject) -> None:
    with pytest.raises(NotFound):
        await predictions(provider_under_test).status("prd_never")


async def test_without_an_endpoint_nothing_is_taken(provider_under_test: Subject) -> None:
    with pytest.raises(NotFound):
        await predictions(provider_under_test).submit(await prepared(provider_under_test))


async def test_a_prediction_is_over_at_its_limit(provider_under_test: Subject) -> None:
    provider_under_test.slow_predictions()
    await opened(provider_under_test)
    request = await prepared(provider_under_test, limit_s=0.05)
    reply = await provider_under_test.run(predictions(provider_under_test).invoke(request))
    assert (reply.ok, reply.code) == (False, "E-TIMEOUT")


async def test_a_cancelled_prediction_says_so_however_often_it_is_cancelled(provider_under_test: Subject) -> None:
    provider_under_test.slow_predictions()
    await opened(provider_under_test)
    request = await prepared(provider_under_test)
    await predictions(provider_under_test).submit(request)
    await predictions(provider_under_test).cancel(request.id)
    await predictions(provider_under_test).cancel(request.id)
    await predictions(provider_under_test).cancel("prd_never")
    assert (await replied(provider_under_test, request.id)).code == "E-CANCELLED"


async def test_scaled_to_zero_nothing_runs_until_it_is_scaled_up(provider_under_test: Subject) -> None:
    await opened(provider_under_test)
    await predictions(provider_under_test).scale(0)
    request = await prepared(provider_under_test)
    await predictions(provider_under_test).submit(request)
    await provider_under_test.advance(30)
    assert await predictions(provider_under_test).status(request.id) is None
    await predictions(provider_under_test).scale(1)
    assert (await replied(provider_under_test, request.id)).ok


async def test_deleting_the_endpoint_ends_what_runs_and_takes_no_more(provider_under_test: Subject) -> None:
    provider_under_test.slow_predictions()
    await opened(provider_under_test)
    request = await prepared(provider_under_test)
    await predictions(provider_under_test).submit(request)
    await predictions(provider_under_test).delete()
    await predictions(provider_under_test).delete()
    assert (await replied(provider_under_test, request.id)).code == "E-CANCELLED"
    with pytest.raises(NotFound):
        await predictions(provider_under_test).submit(await prepared(provider_under_test, 2))


async def test_a_lost_endpoint_answer_is_repaired_by_repeating(provider_under_test: Subject) -> None:
    provider_under_test.lose_next("ensure_endpoint")
    with pytest.raises(Unavailable):
        await opened(provider_under_test)
    await opened(provider_under_test)
    request = await prepared(provider_under_test)
    assert (await provider_under_test.run(predictions(provider_under_test).invoke(request))).ok


async def test_a_lost_submit_answer_is_repaired_by_repeating(provider_under_test: Subject) -> None:
    await opened(provider_under_test)
    request = await prepared(provider_under_test)
    provider_under_test.lose_next("submit")
    with pytest.raises(Unavailable):
        await predictions(provider_under_test).submit(request)
    await predictions(provider_under_test).submit(request)
    assert (await replied(provider_under_test, request.id)).rows == 3


async def test_a_lost_invoke_answer_is_repaired_by_asking_again(provider_under_test: Subject) -> None:
    await opened(provider_under_test)
    request = await prepared(provider_under_test)
    provider_under_test.lose_next("invoke")
    with pytest.raises(Unavailable):
        await provider_under_test.run(predictions(provider_under_test).invoke(request))
    assert (await provider_under_test.run(predictions(provider_under_test).invoke(request))).rows == 3


async def test_a_lost_cancel_answer_is_repaired_by_repeating(provider_under_test: Subject) -> None:
    provider_under_test.slow_predictions()
    await opened(provider_under_test)
    request = await prepared(provider_under_test)
    await predictions(provider_under_test).submit(request)
    provider_under_test.lose_next("cancel")
    with pytest.raises(Unavailable):
        await predictions(provider_under_test).cancel(request.id)
    await predictions(provider_under_test).cancel(request.id)
    assert (await replied(provider_under_test, request.id)).code == "E-CANCELLED"


async def test_a_lost_scale_answer_is_repaired_by_repeating(provider_under_test: Subject) -> None:
    await opened(provider_under_test)
    provider_under_test.lose_next("scale")
    with pytest.raises(Unavailable):
        await predictions(provider_under_test).scale(0)
    await predictions(provider_under_test).scale(1)
    request = await prepared(provider_under_test)
    assert (await provider_under_test.run(predictions(provider_under_test).invoke(request))).ok


async def test_a_lost_delete_answer_is_repaired_by_repeating(provider_under_test: Subject) -> None:
    await opened(provider_under_test)
    provider_under_test.lose_next("delete_endpoint")
    with pytest.raises(Unavailable):
        await predictions(provider_under_test).delete()
    await predictions(provider_under_test).delete()
    with pytest.raises(NotFound):
        await predictions(provider_under_test).submit(await prepared(provider_under_test))
