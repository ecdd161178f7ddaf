"""Pods as RunPod writes them: what the provider's own create posts, answered by the emulated platform."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from messages.ids import JobId
from messages.machines import LaunchRequest, MachineName, Offer
from providers.runpod.creating import create_body
from tests.emulators.runpod.platform import Platform
from tests.emulators.runpod.settings import MAIN_KEY, AccountSettings, Settings
from tests.emulators.runpod.wire import Request, Surface
from tests.support.runpod_sim import ACCOUNT, PLACE, USER_AGENT, VOLUME, settings, with_volume

KEY: Final = b"k" * 32
BEGAN: Final = datetime(2026, 11, 1, tzinfo=UTC)
HARD: Final = datetime(2099, 1, 1, tzinfo=UTC)
UPTIME: Final = '"uptime": '
HEADERS: Final = {"user-agent": USER_AGENT, "authorization": f"Bearer {MAIN_KEY}", "content-type": "application/json"}


def job_of(number: int) -> JobId:
    """Return the id of one job."""
    return JobId.derived("bench", str(number))


def name_of(number: int) -> str:
    """Return the name of one job's machine."""
    return MachineName("instal", "gene", job_of(number).tail, 1, HARD).text(KEY)


def request_of(number: int) -> LaunchRequest:
    """Return what one job asks for, with the variables a supervisor gives."""
    job, name = job_of(number), name_of(number)
    folder = f"jobs/user_usr_aaaaaaaaaa/{job}/1"
    offer = Offer(
        id=f"NVIDIA RTX A5000@{PLACE}",
        provider="runpod",
        machine_type="NVIDIA RTX A5000",
        place=PLACE,
        rate_usd_per_hour=Decimal("0.27"),
        gpu="NVIDIA RTX A5000",
        gpu_count=1,
    )
    variables = {
        "LASTCALL_MACHINE": name,
        "LASTCALL_JOB": str(job),
        "LASTCALL_ATTEMPT": "1",
        "LASTCALL_SOFT_DEADLINE": "1793498100",
        "LASTCALL_HARD_DEADLINE": "1793498400",
        "LASTCALL_MAX_RUNTIME_S": "6000",
    }
    return LaunchRequest(
        name=name,
        job_id=job,
        attempt=1,
        offer=offer,
        folder=folder,
        soft_deadline=BEGAN + timedelta(hours=1),
        hard_deadline=HARD,
        max_runtime_s=6000,
        environment=variables,
        bundle="bundles/0123456789abcdef",
    )


def pods(count: int) -> list[tuple[str, str]]:
    """Return so many running pods as JSON, each in two pieces: between them stands the uptime."""
    now = BEGAN.timestamp()
    main = AccountSettings({MAIN_KEY: "all"}, balance=Decimal(10**8), spend_limit=Decimal(10**6))
    platform = Platform(Settings(accounts={ACCOUNT: main}, quotas={}, stock_default=10**6), now=now)
    with_volume(platform, now)
    told = settings(volume_id=VOLUME)

    def call(method: str, query: str = "", body: Any = None) -> Any:
        data = b"" if body is None else json.dumps(body).encode()
        return platform.handle(Request(Surface.REST, method, "/v2/pods", query, HEADERS, data), now)

    for number in range(count):
        if call("POST", body=create_body(request_of(number), told)).status != 201:
            raise RuntimeError("the platform takes no such pod")
    now += 60.0
    found: list[tuple[str, str]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = json.loads(call("GET", f"limit=1000&cursor={cursor}").body)
        found += [_split(json.dumps(pod)) for pod in page["pods"]]
        cursor = page["pagination"]["nextCursor"]
    platform.close()
    return found


def _split(pod: str) -> tuple[str, str]:
    head, mark, rest = pod.rpartition(UPTIME)
    return head + mark, rest.lstrip("0123456789")


def page(found: list[tuple[str, str]], uptime_s: int, cursor: str | None) -> bytes:
    """Return one page; every uptime is another one at every look."""
    shown = ", ".join([f"{head}{uptime_s + n % 7}{tail}" for n, (head, tail) in enumerate(found)])
    pagination = json.dumps({"nextCursor": cursor, "hasNextPage": cursor is not None})
    return f'{{"pods": [{shown}], "pagination": {pagination}}}'.encode()
