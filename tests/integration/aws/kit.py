"""The AWS provider over real HTTP on an emulated AWS whose instances run their user-data, and jobs for them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from actors.supervisor.work import wrapper_environment
from containers import bundle
from messages.folder import Spec, Work
from messages.ids import JobId
from messages.machines import Gone, LaunchRequest, Machine, MachineName
from providers.aws.client import Call
from providers.aws.provider import build_aws
from providers.aws.settings import AWS_TIMINGS, AwsProviderSettings, Keys
from providers.aws.storage import AwsStorage
from providers.aws.training import AwsTraining
from providers.http import AiohttpTransport
from providers.interface import Need, NotFound
from providers.seams import Outside
from tests.emulators.aws.launch import Emulator
from tests.emulators.aws.settings import MAIN_KEY, MAIN_SECRET
from tests.support.patience import PATIENCE_S
from tests.support.providers.clocks import RealClock
from tests.support.providers.subjects import RUN, chunks, close_provider, content, no_programs, os_entropy

FAST: Mapping[str, Any] = {
    "pending_s": 0.05,
    "boot_s": 0.05,
    "shutting_down_s": 0.6,
    "grace_s": 0.4,
    "reboot_s": 0.5,
    "notice_s": 30.0,
}
SOON: Mapping[str, float] = {"list_interval_s": 0.5, "absence_gap_s": 1.0}
"""An emulator on this computer shows at once what it does."""
BUCKET = "lastcall-tests"
LOG_GROUP = "/lastcall/jobs"
NAME_KEY = b"aws integration"


class House:
    """The provider, its bucket, and the bundle in it."""

    def __init__(self, emulator: Emulator, transport: AiohttpTransport, root: Path, **more: Any) -> None:
        """``more``: settings of the provider."""
        self.emulator = emulator
        self.transport = transport
        self.clock = RealClock()
        self.settings = AwsProviderSettings(
            region="us-east-1",
            bucket=BUCKET,
            keys=Keys(access_key=MAIN_KEY, secret_key=SecretStr(MAIN_SECRET)),
            endpoints={"*": emulator.urls["aws"]},
            instance_profile="lastcall-instance",
            near=root,
            timings=AWS_TIMINGS.model_copy(update=SOON),
            **more,
        )
        outside = Outside(self.clock, os_entropy, no_programs, transport)
        self.provider = build_aws(self.settings, outside)
        self.bundle = bundle.assemble(b"")

    @property
    def training(self) -> AwsTraining:
        if not isinstance(self.provider.training, AwsTraining):
            raise TypeError("not AWS")
        return self.provider.training

    @property
    def storage(self) -> AwsStorage:
        if not isinstance(self.provider.storage, AwsStorage):
            raise TypeError("not AWS")
        return self.provider.storage

    async def open(self) -> None:
        """Make the bucket and the log group, and put the bundle into it."""
        await self.storage.client.make_bucket()
        call = Call("logs", "CreateLogGroup", {"logGroupName": LOG_GROUP})
        await self.training.client.read(call, "for a log group")
        for name, data in self.bundle.files.items():
            await self.provider.storage.put(f"{self.bundle.prefix}/{name}", chunks(data))

    async def close(self) -> None:
        await close_provider(self.provider)

    async def order(
        self, script: str, number: int = 1, inputs: Mapping[str, str] | None = None, resume: tuple[str, ...] = ()
    ) -> LaunchRequest:
        """Write a job folder whose work is a shell script, and return the request for its machine."""
        job = JobId.derived("aws integration", RUN, f"{number} {script}")
        now = datetime.now(UTC).replace(microsecond=0)
        soft, hard = now + timedelta(minutes=5), now + timedelta(minutes=10)
        offer = (await self.training.offers(Need(size_mb=1, model_type="auto", machine="m5.large")))[0]
        request = LaunchRequest(
            name=MachineName("abcdef", "ghij", job.tail, number, hard).text(NAME_KEY),
            job_id=job,
            attempt=number,
            offer=offer,
            folder=f"jobs/user_usr_abcdefghij/{job}/{number}",
            soft_deadline=soft,
            hard_deadline=hard,
            max_runtime_s=300,
            bundle=self.bundle.prefix,
        )
        environment = {**wrapper_environment(request), "LASTCALL_WRAPPER_SHA256": self.bundle.wrapper_sha256}
        request = request.model_copy(update={"environment": {**environment, **QUICK}})
        spec = Spec(
            job_id=job,
            attempt=number,
            work=Work(argv=("sh", "-c", script)),
            work_spec={},
            inputs=dict(inputs or {}),
            artifacts_required=(),
            resume=resume,
        )
        await self.provider.storage.put(
            f"{request.folder}/spec.json", chunks(spec.model_dump_json(by_alias=True).encode())
        )
        return request

    async def read(self, key: str) -> bytes:
        return await content(self.provider.storage.get(key))

    async def result(self, request: LaunchRequest) -> dict[str, Any]:
        """Wait for the marker."""

        async def look() -> dict[str, Any] | None:
            try:
                found: dict[str, Any] = json.loads(await self.read(f"{request.folder}/result.json"))
            except NotFound:
                return None
            return found

        result: dict[str, Any] = await self.until(look, request.name)
        return result

    async def until(self, look: Callable[[], Coroutine[Any, Any, Any]], what: str) -> Any:
        ends = time.monotonic() + PATIENCE_S
        while time.monotonic() < ends:
            if (found := await look()) is not None:
                return found
            await asyncio.sleep(0.1)
        raise TimeoutError(f"{what}: {await self.consoles()}")

    async def ended_by_itself(self, machine: Machine) -> None:
        async def look() -> bool | None:
            try:
                state = (await self.training.describe(machine.id)).state
            except NotFound:
                return True
            return True if state == "gone" else None

        await self.until(look, f"{machine.id} ends")

    async def gone(self, machine: Machine) -> Gone:
        async def look() -> Gone | None:
            proof = await self.training.prove_gone(machine)
            return proof if isinstance(proof, Gone) else None

        found: Gone = await self.until(look, "proof")
        return found

    async def consoles(self) -> str:
        listing = await self.training.list_machines()
        found = []
        for one in listing.machines:
            found += [chunk.text async for chunk in self.training.logs(one.id)]
        return "\n".join(found)


QUICK = {
    "LASTCALL_NONCE_SETTLE_S": "0.1",
    "LASTCALL_CONTROL_INTERVAL_S": "0.3",
    "LASTCALL_HEARTBEAT_INTERVAL_S": "0.3",
    "LASTCALL_LOG_FLUSH_S": "0.3",
    "LASTCALL_NONCE_INTERVAL_S": "0.3",
    "LASTCALL_CHECKPOINT_INTERVAL_S": "0.3",
    "LASTCALL_NOTICE_INTERVAL_S": "0.3",
    "LASTCALL_FOLDER_WAIT_S": "10",
    "LASTCALL_STOP_GRACE_S": "2",
}
