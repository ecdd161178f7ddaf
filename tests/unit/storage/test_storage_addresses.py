"""Data sets from addresses in the store: judged before the store hears of them, then as uploads (faults 34, 82)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from actors.storage.access import Layout
from actors.storage.parts import StorageSettings
from messages.admin import AddFromAddress, ListDatasets, RemoveDataset
from messages.errors import Refusal
from messages.ids import CommandId
from messages.jobs import Requester
from messages.storage import DatasetInfo
from providers.interface import NotFound, Unavailable
from tests.unit.storage.kit import ANN, BOB, CSV, House, build

HOME = f"datasets/user_{ANN.user_id}"
KEY = f"{HOME}/export/churn.csv"
ADDRESS = f"runpod://vol123/{KEY}"


def asking(
    house: House,
    address: str = ADDRESS,
    command: CommandId | None = None,
    name: str | None = None,
    who: Requester = ANN,
) -> AddFromAddress:
    return AddFromAddress(command_id=command or house.command(), requester=who, address=address, name=name)


@pytest.fixture
async def filled(house: House) -> House:
    """A house in whose store a file of Ann's lies."""
    await house.store.write(KEY, CSV)
    house.store.calls.clear()
    return house


async def refusal(house: House, msg: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await house.ask(msg)
    return caught.value


@pytest.mark.parametrize("scheme", ["runpod", "s3"])
async def test_a_file_in_the_store_becomes_a_data_set_of_its_own(filled: House, scheme: str) -> None:
    info: DatasetInfo = await filled.ask(asking(filled, f"{scheme}://vol123/{KEY}"))
    assert (info.name, info.user_id, info.size_bytes) == ("churn.csv", ANN.user_id, len(CSV))
    assert info.key == filled.layout.dataset_key(ANN.user_id, info.id)
    assert sorted(filled.store.objects) == sorted([KEY, info.key])
    assert filled.store.objects[info.key][0] == CSV
    assert await filled.ask(ListDatasets(requester=ANN)) == (info,)
    [entry] = [a for a in filled.journal.audited() if a.what == "dataset.add"]
    assert (entry.success, entry.resource) == (True, f"{scheme}://vol123/{KEY}")


REFUSED = {
    "another volume": f"runpod://vol999/{KEY}",
    "another scheme": f"https://vol123/{KEY}",
    "scheme in capitals": f"RUNPOD://vol123/{KEY}",
    "no address": KEY,
    "nothing": "",
    "no key": "runpod://vol123/",
    "another user": f"runpod://vol123/datasets/user_{BOB.user_id}/churn.csv",
    "above": f"runpod://vol123/{HOME}/../user_{BOB.user_id}/churn.csv",
    "absolute": f"runpod://vol123//{KEY}",
    "outside": "runpod://vol123/environments/x.csv",
    "hidden": f"runpod://vol123/{HOME}/.s3compat_uploads/x",
    "encoded": f"runpod://vol123/{HOME}/%2e%2e/x",
    "a control character": f"runpod://vol123/{HOME}/a\nb.csv",
    "too long": f"runpod://vol123/{HOME}/{'x/' * 600}x",
    "a name before the volume": f"runpod://ann@vol123/{KEY}",
}


@pytest.mark.parametrize("address", REFUSED.values(), ids=REFUSED.keys())
async def test_what_is_no_file_of_the_requesters_is_refused_before_the_store_hears_of_it(
    filled: House, address: str
) -> None:
    refused = await refusal(filled, asking(filled, address))
    assert refused.code == "E-KEY"
    assert f"runpod://vol123/{HOME}/" in refused.detail
    assert filled.store.calls == []
    assert await filled.journal.streams("command/") == []
    [entry] = filled.journal.audited()
    assert (entry.success, entry.code, entry.what) == (False, "E-KEY", "dataset.add")
    assert entry.resource.isprintable()


async def test_a_store_without_a_name_takes_no_address(filled: House) -> None:
    object.__setattr__(filled.services.parts, "layout", Layout())
    refused = await refusal(filled, asking(filled))
    assert (refused.code, filled.store.calls) == ("E-KEY", [])
    assert "give a file" in refused.detail


async def test_another_users_command_does_not_reach_a_file_by_its_address(filled: House) -> None:
    assert (await refusal(filled, asking(filled, who=BOB))).code == "E-KEY"


async def test_the_same_command_again_gives_the_same_data_set_whatever_became_of_the_file(filled: House) -> None:
    command = filled.command()
    first = await filled.ask(asking(filled, command=command))
    await filled.store.write(KEY, b"a,b,y\n9,9,9\n")
    filled.again()
    assert await filled.ask(asking(filled, command=command)) == first
    await filled.store.delete(KEY)
    assert await filled.ask(asking(filled, command=command)) == first
    assert len(await filled.ask(ListDatasets(requester=ANN))) == 1
    for other in (asking(filled, command=command, name="x"), asking(filled, ADDRESS + "2", command)):
        assert (await refusal(filled, other)).code == "E-IDEMPOTENCY"


async def test_a_command_at_once_twice_is_one_data_set(filled: House) -> None:
    command = filled.command()
    one, two = await asyncio.gather(*(filled.ask(asking(filled, command=command)) for _ in range(2)))
    assert one == two
    assert len(await filled.ask(ListDatasets(requester=ANN))) == 1


async def test_a_removed_data_set_does_not_come_back_by_its_command(filled: House) -> None:
    command = filled.command()
    info = await filled.ask(asking(filled, command=command))
    await filled.ask(RemoveDataset(command_id=filled.command(), requester=ANN, ref=info.id))
    assert (await refusal(filled, asking(filled, command=command))).code == "E-NOTFOUND"


async def test_the_same_bytes_under_the_same_name_are_the_same_data_set(filled: House) -> None:
    uploaded = await filled.add()
    assert await filled.ask(asking(filled)) == uploaded
    assert (await filled.ask(asking(filled, name="other.csv"))).id != uploaded.id


async def test_no_file_there_is_said_and_the_same_command_may_come_again(house: House) -> None:
    command = house.command()
    assert (await refusal(house, asking(house, command=command))).code == "E-NOTFOUND"
    await house.store.write(KEY, CSV)
    assert (await house.ask(asking(house, command=command))).size_bytes == len(CSV)


async def test_a_file_that_is_too_large_is_not_fetched() -> None:
    house = build(StorageSettings(python="python", upload_bytes_max=len(CSV) - 1))
    await house.store.write(KEY, CSV)
    house.store.calls.clear()
    assert (await refusal(house, asking(house))).code == "E-TOOLARGE"
    assert [call for call, _ in house.store.calls if call in ("get", "copy", "put")] == []


@pytest.mark.parametrize("call", ["stat", "copy"])
async def test_a_store_that_fails_on_the_way_leaves_nothing_and_the_command_can_be_repeated(
    filled: House, call: str
) -> None:
    failed: list[str] = []

    def fail(made: str, key: str) -> Exception | None:
        if made == call and not failed:
            failed.append(key)
            return Unavailable("away")
        return None

    filled.store.fail = fail
    command = filled.command()
    with pytest.raises(Unavailable):
        await filled.ask(asking(filled, command=command))
    assert list(filled.store.objects) == [KEY]
    assert (await filled.ask(asking(filled, command=command))).name == "churn.csv"


async def test_a_file_that_goes_while_it_is_fetched_is_not_found(filled: House) -> None:
    filled.store.fail = lambda call, key: NotFound(key) if (call, key) == ("copy", KEY) else None
    assert (await refusal(filled, asking(filled))).code == "E-NOTFOUND"


async def test_a_process_that_dies_between_acceptance_and_data_set_loses_nothing(filled: House) -> None:
    command = filled.command()
    filled.journal.full = lambda stream: stream.startswith("dataset/")
    assert (await refusal(filled, asking(filled, command=command))).code == "E-JOURNAL"
    assert list(filled.store.objects) == [KEY]
    filled.journal.full = lambda _: False
    filled.again()
    info = await filled.ask(asking(filled, command=command))
    assert await filled.ask(ListDatasets(requester=ANN)) == (info,)
