"""Predictions: rows are streamed in, run through a model by the provider, and the result file is kept.

The provider makes the file; nothing counts until ``PredictionMade`` stands in the journal, and after that the same
request is answered from there.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from actors.storage import elsewhere
from actors.storage.access import Granted, decide_access
from actors.storage.locks import NamedLocks, Room
from actors.storage.models import MANIFEST, ModelService
from actors.storage.parts import StorageParts
from actors.storage.reading import bring
from actors.storage.records import append_once, prediction_record
from actors.storage.references import checked_label, not_found
from actors.storage.staging import staged_for
from messages.admin import BeginPrediction, DownloadGrant, MakePrediction, ReadPrediction, UploadGrant
from messages.errors import ERRORS, Refusal
from messages.events import PredictionMade
from messages.ids import DatasetId, PredictionId, UserId
from messages.money import HOUR_SECONDS
from messages.storage import ModelInfo, PredictionInfo
from providers.interface import NotFound, PredictionReply, PredictionRequest, ProviderError

PREDICTION_SECONDS_MIN: Final = 1.0
"""A cost limit that buys less time than this buys nothing."""
DETAIL_CHARS_MAX: Final = 500


class PredictionService:
    """Everything about predictions. Raises Refusal, and what store, provider and journal raise."""

    def __init__(self, parts: StorageParts, models: ModelService, staged: NamedLocks) -> None:
        self._parts = parts
        self._models = models
        self._staged = staged
        self._room = Room(parts.settings.predictions_at_once, parts.settings.waiting_max)

    async def begin(self, msg: BeginPrediction) -> UploadGrant:
        """Name the place to stream rows to; the same command names the same place."""
        checked_label(msg.name)
        user = msg.requester.user_id
        await self._models.find(user, msg.model)
        key = self._parts.layout.incoming_rows_key(user, PredictionId.derived(user, msg.command_id))
        return UploadGrant(
            dataset_id=DatasetId.derived("rows", user, msg.command_id),
            key=key,
            bytes_max=self._parts.settings.upload_bytes_max,
        )

    async def make(self, msg: MakePrediction) -> PredictionInfo:
        """Run the rows through the model, within the limits of time and cost. Repeating it runs nothing again."""
        user = msg.requester.user_id
        prediction = self._prediction_of(user, msg.grant)
        try:
            async with self._staged.held(prediction):
                info = await self._known(user, prediction) or await self._run(msg, prediction)
        except Refusal:
            await self._forget(msg.grant.key)
            raise
        await self._forget(msg.grant.key)
        return info

    async def read(self, msg: ReadPrediction) -> DownloadGrant:
        """Permit streaming a prediction's result file, paid for first where its store charges. Raises ``E-BUDGET``."""
        user, parts = msg.requester.user_id, self._parts
        info = await self._known(user, msg.prediction_id)
        if info is None:
            raise not_found("prediction")
        name = f"{info.id}.csv"
        await elsewhere.pay_download(parts, parts.at(info.provider), info.size_bytes, user, name)
        return DownloadGrant(key=info.key, size_bytes=info.size_bytes, name=name, provider=info.provider)

    def _prediction_of(self, user: UserId, grant: UploadGrant) -> PredictionId:
        """Return the prediction a grant was given for. Raises Refusal ``E-KEY``."""
        prediction = staged_for(self._parts.layout, user, grant.key)
        if isinstance(prediction, PredictionId):
            return prediction
        raise Refusal("E-KEY", "not a place these rows were given")

    async def _known(self, user: UserId, prediction: PredictionId) -> PredictionInfo | None:
        """Return the prediction when it was made before."""
        parts = self._parts
        made = await prediction_record(parts.journal, prediction)
        if made is None or made.user_id != user:
            return None
        if not isinstance(decide_access(parts.layout, user, made.key), Granted):
            raise Refusal("E-KEY")
        found = await elsewhere.locate(parts, None, made.key, "The prediction")
        if found is None:
            raise not_found("prediction")
        return PredictionInfo(
            id=prediction,
            user_id=user,
            model_id=made.model_id,
            key=made.key,
            rows=made.rows,
            size_bytes=found.stored.size_bytes,
            cost_usd=made.cost_usd,
            created=found.stored.modified,
            provider=found.parts.kind,
        )

    async def _run(self, msg: MakePrediction, prediction: PredictionId) -> PredictionInfo:
        parts, user = self._parts, msg.requester.user_id
        model = await self._models.find(user, msg.model)
        await self._check_input(msg, model)
        request = PredictionRequest(
            id=prediction,
            model_key=model.key,
            input_key=msg.grant.key,
            output_key=parts.layout.prediction_key(user, prediction),
            column=checked_label(msg.column),
            limit_s=self._seconds(),
        )
        async with self._room.entered():
            await self._models.bring(msg.requester, model, prediction)
            if self._sends_rows:
                await bring(parts.incoming, request.input_key, parts.store, request.input_key)
            elif parts.prediction.reads_near:
                files = {f"{model.key}/{artifact.name}": artifact.size_bytes for artifact in model.artifacts}
                await elsewhere.pay_near(parts, parts, files, user, model.name, f"{model.id}:{prediction}")
            await parts.prediction.ensure_endpoint()
            reply = await parts.prediction.invoke(request)
        if not reply.ok:
            raise self._refusal(reply, request)
        event = PredictionMade(
            prediction_id=prediction,
            user_id=user,
            model_id=model.id,
            key=request.output_key,
            rows=reply.rows,
            cost_usd=reply.cost_usd,
        )
        await append_once(parts.journal, f"prediction/{prediction}", event, msg.command_id)
        info = await self._known(user, prediction)
        if info is None:
            raise Refusal("E-IDEMPOTENCY")
        return info

    @property
    def _sends_rows(self) -> bool:
        """Whether rows have to go to the store, for a prediction that is made elsewhere."""
        return self._parts.incoming is not self._parts.store and not self._parts.prediction.reads_near

    async def _check_input(self, msg: MakePrediction, model: ModelInfo) -> None:
        """Refuse what cannot work before any money is spent (a model half gone, rows that never arrived)."""
        parts, user = self._parts, msg.requester.user_id
        if not isinstance(decide_access(parts.layout, user, f"{model.key}/{MANIFEST}"), Granted):
            raise Refusal("E-KEY")
        try:
            size = (await parts.incoming.stat(msg.grant.key)).size_bytes
        except NotFound:
            raise Refusal("E-BADREQUEST", "nothing was streamed") from None
        if size > parts.settings.upload_bytes_max:
            raise Refusal("E-TOOLARGE", f"at most {parts.settings.upload_bytes_max} bytes")

    def _seconds(self) -> float:
        """Return how long a prediction may take: the configured limit, or what the cost limit buys."""
        settings = self._parts.settings
        rate = settings.prediction_rate_usd_per_hour
        if rate == 0:
            return settings.prediction_limit_s
        bought = float(settings.prediction_max_cost_usd * HOUR_SECONDS / rate)
        if bought < PREDICTION_SECONDS_MIN:
            raise Refusal("E-PREDICT-LIMIT", f"${settings.prediction_max_cost_usd} buys {bought:.2f} s")
        return min(settings.prediction_limit_s, bought)

    def _refusal(self, reply: PredictionReply, request: PredictionRequest) -> Refusal:
        """Return the refusal a failed reply stands for; one cut off by the cost limit says so."""
        cut_by_cost = request.limit_s < self._parts.settings.prediction_limit_s and reply.seconds >= request.limit_s
        if cut_by_cost or reply.cost_usd > self._parts.settings.prediction_max_cost_usd:
            return Refusal("E-PREDICT-LIMIT", f"stopped after {reply.seconds:.0f} s")
        code = reply.code if reply.code in ERRORS else "E-PREDICT"
        return Refusal(code or "E-PREDICT", reply.detail[:DETAIL_CHARS_MAX])

    async def _forget(self, key: str) -> None:
        """Delete rows that are no longer needed, wherever they are; what stays is swept at the next start."""
        parts = self._parts
        with suppress(ProviderError):
            await parts.incoming.delete(key)
        if self._sends_rows:
            with suppress(ProviderError):
                await parts.store.delete(key)
