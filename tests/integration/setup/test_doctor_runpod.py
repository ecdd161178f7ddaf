"""``lastcall doctor`` on an emulated RunPod account: each thing that can be wrong, told apart."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest

from actors.journal import install as installs
from lastcall.doctor.command import examine
from lastcall.doctor.findings import Finding, Room, Unanswered, exit_code
from messages.ids import JobId
from messages.machines import MachineName
from providers.transport import HttpReply, HttpRequest
from tests.emulators.runpod.faults import Switch
from tests.emulators.runpod.settings import MAIN_KEY, NO_RIGHTS_KEY, READ_KEY
from tests.integration.setup.kit import SECRET, VOLUME, Bench


def room_of(bench: Bench, **more: str) -> Room:
    environ = {
        **bench.environ,
        "CLOUD_PROVIDER": "runpod",
        "RUNPOD_NETWORK_VOLUME_ID": VOLUME,
        "LASTCALL_STATE_DIR": str(bench.root / "s"),
        "HOME": str(bench.root),
        **more,
    }
    return Room(environ, bench.root, bench.transport, bench.clock)


async def doctor(bench: Bench, **more: str) -> list[Finding]:
    return await bench.clock.drive(examine(room_of(bench, **more), lambda _: None))


def wrong(findings: Sequence[Finding]) -> dict[str, Finding]:
    return {one.name: one for one in findings if one.verdict != "ok" and one.name != "daemon"}


async def test_an_account_that_is_ready_is_well(bench: Bench) -> None:
    findings = await doctor(bench, LASTCALL_RUNPOD_SELF_ENDING_PROVEN_FOR=f"runpod:{VOLUME}")
    assert wrong(findings) == {}
    assert {"RunPod API", "clock", "RunPod key", "volume", "storage", "balance", "self-ending", "packages"} <= {
        one.name for one in findings
    }
    assert bench.alive() == []


async def test_self_ending_that_was_never_tried_is_told_with_the_command(bench: Bench) -> None:
    found = wrong(await doctor(bench))
    assert (found["self-ending"].verdict, found["self-ending"].fix) == ("warn", "lastcall setup runpod")


async def test_an_outage_fails_and_names_no_key(bench: Bench) -> None:
    bench.arm(outage=Switch("503"))
    findings = await doctor(bench)
    assert exit_code(findings) == 1
    assert MAIN_KEY not in str(findings)
    assert SECRET not in str(findings)


async def test_without_any_connection_every_check_comes_to_an_end(bench: Bench) -> None:
    bench.transport.cut_off = True
    found = wrong(await doctor(bench))
    assert found["RunPod API"].verdict == "fail"


@pytest.mark.parametrize(
    ("key", "words"), [("rpa_unknown", "does not know"), (READ_KEY, "may not"), (NO_RIGHTS_KEY, "may not")]
)
async def test_a_key_that_is_wrong_or_too_narrow_fails(bench: Bench, key: str, words: str) -> None:
    findings = await doctor(bench, RUNPOD_API_KEY=key)
    failed = [one for one in findings if one.name == "RunPod key" and one.verdict == "fail"]
    assert failed
    assert all(words in one.detail for one in failed)


@pytest.mark.parametrize(("ahead_s", "said"), [(90.0, "-90 s"), (-90.0, "+90 s")])
async def test_a_clock_that_is_off_is_told(bench: Bench, ahead_s: float, said: str) -> None:
    bench.arm(clock_skew=Switch(ahead_s))
    assert said in wrong(await doctor(bench))["clock"].detail


async def test_a_volume_that_is_gone_or_elsewhere_fails(bench: Bench) -> None:
    assert "no network volume" in wrong(await doctor(bench, RUNPOD_NETWORK_VOLUME_ID="gone"))["volume"].detail
    found = wrong(await doctor(bench, LASTCALL_RUNPOD_DATA_CENTER="US-CA-2"))
    assert "the configuration says US-CA-2" in found["volume"].detail


async def test_storage_keys_that_do_not_fit_fail(bench: Bench) -> None:
    found = wrong(await doctor(bench, RUNPOD_STORAGE_SECRET_KEY="rps_WRONG"))
    assert "S3 keys" in found["storage"].fix


@pytest.mark.parametrize(("left", "verdict"), [("0", "fail"), ("100", None)])
async def test_money_that_is_gone_fails(bench: Bench, left: str, verdict: str | None) -> None:
    bench.platform.set_balance("user_main", Decimal(left), bench.now())
    found = wrong(await doctor(bench)).get("balance")
    assert (found.verdict if found else None) == verdict


async def test_money_that_is_spent_within_a_day_warns(bench: Bench) -> None:
    bench.arm(foreign_pods=Switch(1))
    bench.platform.set_balance("user_main", Decimal(3), bench.now())
    found = wrong(await doctor(bench))["balance"]
    assert found.verdict == "warn"
    assert "hours left" in found.detail


async def test_a_balance_that_is_not_said_fails_nothing(bench: Bench) -> None:
    bench.arm(outage=Switch("503", on=("graphql.*",)))
    assert wrong(await doctor(bench))["balance"].verdict == "warn"


async def test_machines_without_a_daemon_that_answers_are_named(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    state = bench.root / "s"
    state.mkdir(0o700)
    install = installs.load_or_create(
        state, journal_exists=False, entropy=lambda count: b"e" * count, now=bench.clock.now()
    )
    name = MachineName(install.installation, install.generation, JobId.derived("x").tail, 1, bench.clock.now())
    machine = name.text(install.name_key)
    bench.arm(foreign_pods=Switch((machine, "somebody-elses")))
    found = wrong(await doctor(bench))["machines"]
    assert found.verdict == "warn"
    assert machine in found.detail
    assert "somebody" not in found.detail
    assert len(bench.alive()) == 2, "doctor ends nothing"
    assert "lastcall reap" in found.fix

    def hang(self: Room, path: str) -> None:
        raise Unanswered("the daemon does not answer")

    monkeypatch.setattr(Room, "ask_daemon", hang)
    found = wrong(await doctor(bench))["machines"]
    assert "nobody" not in found.detail
    assert machine in found.detail
    assert found.fix.startswith("restart lastcall daemon"), "one that hangs holds the lock: another cannot be started"


@pytest.mark.parametrize(("status", "well"), [(503, False), (401, False), (403, False), (200, True), (404, True)])
async def test_a_package_index_is_asked(bench: Bench, monkeypatch: pytest.MonkeyPatch, status: int, well: bool) -> None:
    """One that has no pip answers well all the same."""
    index = "https://packages.example/simple"
    asked: list[str] = []
    real = bench.transport.request

    async def request(sent: HttpRequest) -> HttpReply:
        if sent.url.startswith(index):
            asked.append(sent.url)
            return HttpReply(status, {}, b"")
        return await real(sent)

    monkeypatch.setattr(bench.transport, "request", request)
    found = wrong(await doctor(bench, LASTCALL_RUNPOD_PACKAGE_INDEX=index)).get("packages")
    assert (found is None, asked) == (well, [f"{index}/pip/"])
    assert found is None or found.verdict == "warn"
