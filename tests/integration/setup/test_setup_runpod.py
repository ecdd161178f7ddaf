"""``lastcall setup runpod`` step by step, on an emulated account."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from pathlib import Path

import pytest

from actors.journal import install as installs
from lastcall.owed import OwedNotes
from lastcall.setup.runpod import Wishes
from lastcall.setup.trial import COST_MAX_USD
from lastcall.setup.volumes import VolumeWish
from messages.machines import MachineName
from providers.transport import HttpReply, HttpRequest
from tests.emulators.runpod.faults import Switch
from tests.emulators.runpod.settings import MAIN_KEY, NO_RIGHTS_KEY, READ_KEY, AccountSettings, Settings
from tests.integration.setup.kit import ACCESS, PLACE, SECRET, VOLUME, Bench, Someone, states, step

FINGERPRINT = f"runpod:{VOLUME}"
DRY = Wishes(dry_run=True)


def written(bench: Bench) -> dict[str, str]:
    found: dict[str, str] = tomllib.loads(bench.file.read_text()).get("runpod", {})
    return found


async def test_an_account_is_made_ready(bench: Bench) -> None:
    report = await bench.set_up()
    assert report.exit_code == 0, report.steps
    assert states(report) == {
        "key": "done", "rights": "done", "money": "done", "volume": "unchanged", "storage": "done",
        "self-ending": "done", "configuration": "done",
    }  # fmt: skip
    assert written(bench) == {
        "network_volume_id": VOLUME, "data_center": PLACE, "self_ending_proven_for": FINGERPRINT,
    }  # fmt: skip
    assert bench.file.stat().st_mode & 0o777 == 0o600
    assert bench.alive() == []
    assert bench.platform.calls["pods.delete"] == 2, "one to try the right, one by the pod itself"


async def test_a_second_run_changes_nothing_and_says_so(bench: Bench) -> None:
    await bench.set_up()
    before = (bench.file.read_bytes(), bench.changes())
    person = Someone()
    report = await bench.set_up(person)
    assert states(report)["self-ending"] == "unchanged"
    assert states(report)["configuration"] == "unchanged"
    assert bench.file.read_bytes() == before[0]
    made = bench.changes()
    assert made["pods.create"] - before[1]["pods.create"] == 1, "only the try that cannot be carried out"
    assert bench.platform.answers["pods.create 422"] == 2
    assert person.questions == []


async def test_what_the_trial_measured_is_told(bench: Bench) -> None:
    report = await bench.set_up()
    assert set(report.measured) >= {"create_s", "list_lag_s", "start_s", "restart_s", "delete_lag_s", "proof_s"}
    assert "restart showed" in step(report, "self-ending").detail
    assert "exclusive create and link hold" in step(report, "self-ending").detail


async def test_listings_that_lag_are_measured(bench: Bench) -> None:
    bench.arm(list_lag=Switch(20.0))
    report = await bench.set_up()
    assert 18 <= (report.measured["list_lag_s"] or 0) <= 27


async def test_the_trial_costs_less_than_was_said(bench: Bench) -> None:
    person = Someone()
    await bench.set_up(person)
    [question] = [one for one in person.questions if "end itself" in one]
    assert "cpu3c-2 in EU-RO-1" in question
    assert "$0.0" in question
    await bench.clock.advance(600)
    spent = sum(line.amount(bench.now()) for line in bench.platform.bills() if line.kind != "volume")
    assert 0 < spent < COST_MAX_USD <= Decimal("0.02"), "the pages promise two cents at most"
    [note] = OwedNotes(bench.state).all()
    assert (note.owed.provider, spent <= note.owed.amount_usd < spent + Decimal("0.005")) == ("runpod", True)


async def test_what_was_proven_for_another_account_is_tried_for_this_one(bench: Bench) -> None:
    bench.file.parent.mkdir(parents=True)
    bench.file.write_text('[runpod]\nself_ending_proven_for = "runpod:another"\n')
    bench.file.chmod(0o600)
    report = await bench.set_up()
    assert states(report)["self-ending"] == "done"
    assert written(bench)["self_ending_proven_for"] == FINGERPRINT


async def test_a_trial_whose_pod_is_not_proven_gone_is_owed_at_its_most(bench: Bench) -> None:
    bench.arm(delete_fail=Switch(503))
    await bench.set_up()
    [note] = OwedNotes(bench.state).all()
    assert Decimal("0.01") < note.owed.amount_usd <= COST_MAX_USD


async def test_a_trial_without_a_pod_owes_nothing(bench: Bench) -> None:
    bench.arm(create_bad400=Switch(True))
    report = await bench.set_up()
    assert states(report)["self-ending"] == "failed"
    assert OwedNotes(bench.state).all() == []


# ------------------------------------------------------------------------------------------------ key, rights, money


@pytest.mark.parametrize("dry_run", [False, True])
async def test_a_key_that_is_unknown_ends_it(bench: Bench, dry_run: bool) -> None:
    bench.environ["RUNPOD_API_KEY"] = "rpa_unknown"
    report = await bench.set_up(wishes=Wishes(dry_run=dry_run))
    assert states(report) == {"key": "failed"}
    assert report.exit_code == 1
    assert step(report, "key").next
    assert not bench.file.exists()


async def test_without_any_key_it_says_where_to_make_one(bench: Bench) -> None:
    del bench.environ["RUNPOD_API_KEY"]
    report = await bench.set_up()
    assert states(report) == {"key": "failed"}
    assert "console" in step(report, "key").next


@pytest.mark.parametrize(("key", "lacking"), [(READ_KEY, ["rent pods", "end pods"]), (NO_RIGHTS_KEY, ["list pods"])])
async def test_every_missing_right_is_named_with_what_it_means(bench: Bench, key: str, lacking: list[str]) -> None:
    bench.environ["RUNPOD_API_KEY"] = key
    report = await bench.set_up()
    failed = [one for one in report.steps if one.state == "failed"]
    for right in lacking:
        assert [one for one in failed if f"may not {right}: no " in one.detail], right
    assert all(one.name == "rights" and one.next for one in failed)
    assert "volume" not in states(report)


async def test_a_page_of_the_edge_is_not_called_a_missing_right(bench: Bench) -> None:
    """It answers 403 too, and knows nothing of rights (fact sheet 0)."""
    bench.arm(edge_cloudflare_1010=Switch(True, on=("pods.create",)))
    report = await bench.set_up()
    assert states(report) == {"key": "failed"}
    assert "try again" in step(report, "key").next


async def test_an_outage_is_not_called_a_wrong_key(bench: Bench) -> None:
    bench.arm(outage=Switch("503"))
    report = await bench.set_up()
    assert step(report, "key").next == "try again when RunPod answers"


async def test_without_the_balance_everything_else_works(bench: Bench) -> None:
    bench.arm(outage=Switch("503", on=("graphql.*",)))
    report = await bench.set_up()
    assert states(report)["money"] == "skipped"
    assert report.exit_code == 0


async def test_an_empty_account_is_told(tmp_path: Path) -> None:
    empty = AccountSettings({MAIN_KEY: "all"}, balance=Decimal(0), s3_keys={ACCESS: SECRET})
    bench = Bench(tmp_path, Settings(accounts={"user_main": empty}))
    report = await bench.set_up()
    assert (states(report)["money"], states(report)["volume"]) == ("failed", "unchanged")
    assert "credit" in step(report, "money").next
    await bench.close()


# ------------------------------------------------------------------------------------------------ volume


@pytest.fixture
def bare(tmp_path: Path) -> Bench:
    """An account without a volume."""
    return Bench(tmp_path, volume=False)


async def test_a_volume_is_made_once_after_its_price_was_agreed(bare: Bench) -> None:
    person = Someone()
    report = await bare.set_up(person)
    [question] = [one for one in person.questions if "network volume" in one]
    assert "100 GB" in question
    assert "$7.00 a month" in question
    assert "RTX A5000" in question
    assert states(report)["volume"] == "done"
    assert written(bare)["network_volume_id"]
    again = await bare.set_up()
    assert states(again)["volume"] == "unchanged"
    assert bare.changes()["volumes.create"] == 1
    await bare.close()


async def test_a_volume_that_was_made_is_found_by_its_name_without_any_file(bare: Bench) -> None:
    await bare.set_up()
    bare.file.unlink()
    report = await bare.set_up()
    assert states(report)["volume"] == "unchanged"
    assert bare.changes()["volumes.create"] == 1
    await bare.close()


async def test_who_does_not_agree_gets_no_volume(bare: Bench) -> None:
    report = await bare.set_up(Someone(agrees=False))
    assert states(report)["volume"] == "failed"
    assert "volumes.create" not in bare.changes()
    assert not bare.file.exists()
    await bare.close()


async def test_place_and_size_can_be_chosen(bare: Bench) -> None:
    person = Someone()
    await bare.set_up(person, Wishes(VolumeWish(data_center="EU-CZ-1", size_gb=2000)))
    assert "2000 GB in EU-CZ-1, $120.00 a month" in person.questions[0]
    assert written(bare)["data_center"] == "EU-CZ-1"
    await bare.close()


async def test_a_place_without_s3_is_refused_before_anything_is_made(bare: Bench) -> None:
    report = await bare.set_up(wishes=Wishes(VolumeWish(data_center="OC-AU-1")))
    assert "no S3" in step(report, "volume").detail
    assert "volumes.create" not in bare.changes()
    await bare.close()


async def test_a_making_without_an_answer_is_never_repeated_blindly(bare: Bench) -> None:
    bare.transport.lose_next("POST", "/network-volumes")
    report = await bare.set_up()
    assert states(report)["volume"] == "failed"
    assert "looks for the volume first" in step(report, "volume").next
    again = await bare.set_up()
    assert states(again)["volume"] == "unchanged"
    assert bare.changes()["volumes.create"] == 1
    await bare.close()


async def test_an_unknown_id_two_of_a_name_and_another_place_are_refused(bench: Bench) -> None:
    report = await bench.set_up(wishes=Wishes(VolumeWish(id="nothere")))
    assert "no network volume nothere" in step(report, "volume").detail
    report = await bench.set_up(wishes=Wishes(VolumeWish(id=VOLUME, data_center="US-CA-2")))
    assert "cannot be moved" in step(report, "volume").detail
    bench.platform.add_volume("user_main", "lastcall", 10, PLACE, bench.now())
    report = await bench.set_up()
    assert "2 volumes named lastcall" in step(report, "volume").detail
    assert not bench.file.exists()


async def test_a_volume_where_there_is_no_s3_is_refused(bench: Bench) -> None:
    bench.platform.add_volume("user_main", "far", 10, "US-TX-3", bench.now(), "volfar")
    report = await bench.set_up(wishes=Wishes(VolumeWish(id="volfar")))
    assert "no S3 API" in step(report, "volume").detail


# ------------------------------------------------------------------------------------------------ storage and keys


async def test_storage_keys_are_typed_and_kept_only_when_agreed(bench: Bench) -> None:
    del bench.environ["RUNPOD_STORAGE_ACCESS_KEY"], bench.environ["RUNPOD_STORAGE_SECRET_KEY"]
    person = Someone(ACCESS, SECRET, agrees=lambda question: "Keep the keys" not in question)
    report = await bench.set_up(person)
    assert report.exit_code == 0
    assert [text for text in person.heard if "console" in text]
    assert SECRET not in bench.file.read_text()
    assert step(report, "configuration").next == (
        "set RUNPOD_STORAGE_ACCESS_KEY, RUNPOD_STORAGE_SECRET_KEY where lastcall daemon runs"
    )
    await bench.set_up(Someone(ACCESS, SECRET))
    assert written(bench)["storage_secret_key"] == SECRET
    assert bench.file.stat().st_mode & 0o777 == 0o600
    quiet = Someone()
    assert states(await bench.set_up(quiet))["configuration"] == "unchanged"
    assert quiet.questions == []


async def test_keys_of_the_environment_are_kept_when_wished(bench: Bench) -> None:
    await bench.set_up(wishes=Wishes(store_keys=True))
    assert written(bench)["api_key"] == MAIN_KEY
    assert written(bench)["storage_access_key"] == ACCESS


async def test_without_storage_keys_it_says_where_to_make_them(bench: Bench) -> None:
    del bench.environ["RUNPOD_STORAGE_SECRET_KEY"]
    report = await bench.set_up()
    assert states(report)["storage"] == "failed"
    assert "console" in step(report, "storage").next
    assert "RUNPOD_STORAGE_SECRET_KEY" in step(report, "storage").next
    assert "self-ending" not in states(report)


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"RUNPOD_STORAGE_SECRET_KEY": "rps_WRONG"}, "check both S3 keys"),
        ({"RUNPOD_STORAGE_ACCESS_KEY": "user_nobody"}, "check both S3 keys"),
    ],
)
async def test_wrong_storage_keys_are_told_apart(bench: Bench, changes: dict[str, str], advice: str) -> None:
    bench.environ.update(changes)
    report = await bench.set_up()
    assert states(report)["storage"] == "failed"
    assert advice in step(report, "storage").next
    assert bench.alive() == []
    assert not bench.file.exists()


async def test_a_full_volume_is_found_by_writing(bench: Bench) -> None:
    assert bench.platform.s3 is not None
    bench.platform.s3.faults.merge({"full": True}, bench.now())  # type: ignore[attr-defined]
    report = await bench.set_up()
    assert "larger" in step(report, "storage").next


async def test_nothing_told_holds_a_secret(bench: Bench) -> None:
    report = await bench.set_up(wishes=Wishes(store_keys=True))
    for secret in (MAIN_KEY, SECRET):
        assert secret not in str(report.document())


# ------------------------------------------------------------------------------------------------ dry run


async def test_a_dry_run_makes_no_call_that_could_change_anything(bench: Bench, tmp_path: Path) -> None:
    report = await bench.set_up(wishes=DRY)
    assert bench.changes() == {}
    assert {call for call in bench.platform.answers if call.startswith("s3") and "Put" in call} == set()
    assert report.exit_code == 0
    assert (states(report)["self-ending"], states(report)["configuration"]) == ("planned", "planned")
    assert not bench.file.exists()
    assert not bench.state.exists()
    bare = Bench(tmp_path / "bare", volume=False)
    report = await bare.set_up(wishes=DRY)
    assert bare.changes() == {}
    assert [one.state for one in report.steps[-4:]] == ["planned"] * 4
    assert "$7.00 a month" in step(report, "volume").detail
    await bare.close()


async def test_a_dry_run_writes_nothing_to_the_volume(bench: Bench) -> None:
    volume = bench.platform.volumes.get(VOLUME)
    assert volume is not None
    wrote: list[str] = []
    put = volume.files.put
    volume.files.put = lambda path, content, now: (wrote.append(path), put(path, content, now))[1]  # type: ignore[method-assign, func-returns-value]
    await bench.set_up(wishes=DRY)
    assert wrote == []
    await bench.set_up()
    assert wrote


# ------------------------------------------------------------------------------------------------ self-ending


async def test_a_refused_key_stores_nothing_says_what_it_means_and_ends_the_pod(bench: Bench) -> None:
    await bench.set_up()
    assert written(bench)["self_ending_proven_for"] == FINGERPRINT
    bench.arm(pod_key_403=Switch(True))
    report = await bench.set_up(wishes=Wishes(again=True))
    found = step(report, "self-ending")
    assert found.state == "failed"
    assert "delete 403" in found.detail
    assert "bounded only while Lastcall runs" in found.detail
    assert "reap" in found.next
    assert "self_ending_proven_for" not in written(bench)
    assert bench.alive() == []
    assert report.exit_code == 1


async def test_a_pod_that_never_starts_gives_no_verdict_and_is_ended(bench: Bench) -> None:
    bench.arm(pod_stuck_provisioning=Switch(True))
    report = await bench.set_up()
    assert "not tried to the end" in step(report, "self-ending").detail
    assert "self_ending_proven_for" not in written(bench)
    assert written(bench)["network_volume_id"] == VOLUME
    assert bench.alive() == []


async def test_a_verdict_of_before_stays_when_a_later_trial_says_nothing(bench: Bench) -> None:
    await bench.set_up()
    bench.arm(pod_stuck_provisioning=Switch(True))
    report = await bench.set_up(wishes=Wishes(again=True))
    assert states(report)["self-ending"] == "failed"
    assert written(bench)["self_ending_proven_for"] == FINGERPRINT


async def test_a_create_without_an_answer_leaves_nothing(bench: Bench) -> None:
    bench.arm(create_materialise_after=Switch(60.0))
    report = await bench.set_up()
    assert states(report)["self-ending"] == "failed"
    await bench.clock.advance(600)
    assert bench.alive() == []


async def test_deletes_that_are_acknowledged_and_ignored_do_not_count_as_an_end(bench: Bench) -> None:
    bench.arm(delete_ack_ignored=Switch(True, on=("pods.delete",), names="lc1-*"))
    report = await bench.set_up()
    assert states(report)["self-ending"] in ("done", "failed")
    assert bench.alive() == []


@pytest.mark.parametrize("moment", ["create", "running", "ending"])
async def test_an_interrupted_setup_leaves_no_pod(bench: Bench, moment: str) -> None:
    there = {
        "create": lambda: bench.platform.calls["pods.create"] == 2,
        "running": lambda: [pod.status for pod in bench.platform.alive(bench.now())] == ["RUNNING"],
        "ending": lambda: bench.platform.calls["pods.create"] == 2 and bench.clock.elapsed > 50,
    }[moment]
    assert await bench.set_up_until(there) == []
    assert bench.alive() == []
    assert written(bench)["network_volume_id"] == VOLUME, "what was known is kept"


async def test_a_setup_that_is_interrupted_again_and_again_says_what_may_still_run_and_cost(bench: Bench) -> None:
    """Only what was proven gone counts as gone."""
    there = lambda: [pod.status for pod in bench.platform.alive(bench.now())] == ["RUNNING"]  # noqa: E731
    bench.arm(delete_fail=Switch(503))
    [left] = await bench.set_up_until(there, times=3)
    [name] = bench.alive()
    assert name in left
    assert "may still run and cost money" in left
    assert "an hour" in left
    assert "RunPod's console" in left


async def test_a_pod_that_could_not_be_proven_gone_is_not_said_to_end_itself(bench: Bench) -> None:
    """That it does is what the trial was to show."""
    bench.arm(delete_fail=Switch(503))
    found = step(await bench.set_up(), "self-ending")
    assert found.state == "failed"
    assert "ends itself" not in found.next
    assert "end it in RunPod's console" in found.detail
    assert "lastcall reap" in found.next


async def test_an_interrupted_making_of_a_volume_says_that_it_may_be_there_and_what_it_costs(
    bare: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = bare.transport.request

    async def slow(sent: HttpRequest) -> HttpReply:
        answer = await real(sent)
        if sent.url.endswith("/network-volumes") and sent.method == "POST":
            await bare.clock.sleep(10)
        return answer

    monkeypatch.setattr(bare.transport, "request", slow)
    [left] = await bare.set_up_until(lambda: bare.platform.calls["volumes.create"] == 1)
    assert "may have been made, $7.00 a month" in left
    assert "run it again" in left
    await bare.close()


async def test_a_volume_with_jobs_of_who_knows_whom_is_shared_only_when_agreed(bench: Bench) -> None:
    """Two installations on one volume: users of the same id would see each other's things."""
    volume = bench.platform.volumes.get(VOLUME)
    assert volume is not None
    volume.files.put("jobs/user_usr_aaaaaaaaaa/job_aaaaaaaaaa/1/spec.json", b"{}", bench.now())
    person = Someone(agrees=lambda question: "holds jobs" not in question)
    report = await bench.set_up(person)
    assert states(report)["sharing"] == "failed"
    assert not bench.file.exists()
    [question] = person.questions
    assert "same id" in question
    assert states(await bench.set_up(wishes=DRY))["sharing"] == "planned"
    assert states(await bench.set_up())["sharing"] == "done"
    assert "sharing" not in states(await bench.set_up()), "the configuration names it now"


async def test_the_trials_name_is_this_installations_and_of_no_generation_of_its_journal(bench: Bench) -> None:
    names: list[str] = []

    def there() -> bool:
        names.extend(bench.alive())
        return bool(names)

    await bench.set_up_until(there)
    install = installs.load_or_create(
        bench.state, journal_exists=True, entropy=lambda count: b"x" * count, now=bench.clock.now()
    )
    name = MachineName.parse(names[0], install.name_key)
    assert name is not None
    assert name.install == install.installation
    assert name.generation != install.generation
    assert (name.hard_deadline - bench.clock.now()).total_seconds() <= 900


async def test_who_does_not_agree_pays_for_no_trial(bench: Bench) -> None:
    report = await bench.set_up(Someone(agrees=False))
    assert states(report)["self-ending"] == "skipped"
    assert report.exit_code == 0
    assert bench.platform.answers["pods.create 201"] == 0


async def test_the_trials_files_are_taken_away(bench: Bench) -> None:
    await bench.set_up()
    volume = bench.platform.volumes.get(VOLUME)
    assert volume is not None
    assert [entry.key for entry in volume.files.walk() if not entry.key.endswith("/")] == []
