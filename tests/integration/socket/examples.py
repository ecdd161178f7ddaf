"""One example of every document, with fixed ids and times: what the goldens hold and the fake node answers with."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from messages.admin import ImportLook
from messages.comparing import DescribedModel, Making
from messages.documents import (
    AcceptedDocument,
    ActorRow,
    AlarmRow,
    AttemptPart,
    BilledDocument,
    BilledRow,
    BillPriceDocument,
    BudgetRow,
    CostDocument,
    CostRow,
    EventLine,
    JobPart,
    LogLineOut,
    MachinePart,
    MachineRow,
    MachinesDocument,
    ModelPart,
    PlanDocument,
    PsDocument,
    PsRow,
    ServiceCost,
    StatusDocument,
    TrainDocument,
)
from messages.ids import DatasetId, JobId, ModelId, UserId
from messages.jobs import Estimate, HeldOut, JobState, Limits, Outcome, Plan, TrainSpec
from messages.machines import MachineState, Offer
from messages.money import usd
from messages.storage import (
    Artifact,
    Column,
    DatasetInfo,
    ImportedFrom,
    ModelInfo,
    ObjectInfo,
    PredictionInfo,
    Profile,
)
from messages.upkeep import Pruned, PruneDocument, ReconcileDocument, ReconcileRow

NOON = datetime(2026, 11, 23, 14, 0, 0, tzinfo=UTC)
JOB = JobId("job_churn7fabc")
OTHER_JOB = JobId("job_other2fabc")
MODEL = ModelId("mdl_churn7fabc")
OTHER_MODEL = ModelId("mdl_other2fabc")
DATASET = DatasetId("ds_custom2abc")
USER = UserId("usr_abcdefghij")
MACHINE_NAME = "lc1-abcdef2345-churn7fabc-a001-x1795442400-wxyz"


def at(seconds: float) -> datetime:
    """Return a moment ``seconds`` after noon."""
    return NOON + timedelta(seconds=seconds)


def dataset() -> DatasetInfo:
    columns = (
        Column(name="contract", kind="category", missing=0, distinct=3, example="monthly"),
        Column(name="tenure", kind="number", missing=11, distinct=72, example="12"),
        Column(name="churn", kind="category", missing=0, distinct=2, example="no"),
    )
    profile = Profile(rows=7043, columns=columns, delimiter=",", encoding="utf-8", size_bytes=977_501, sha256="ab" * 32)
    return DatasetInfo(
        id=DATASET,
        user_id=USER,
        name="customers.csv",
        key="datasets/user_abcdefghij/x",
        size_bytes=977_501,
        sha256="ab" * 32,
        added=at(-600),
        profile=profile,
    )


def model() -> ModelInfo:
    return ModelInfo(
        id=MODEL,
        user_id=USER,
        name="churn-7fa",
        job_id=JOB,
        dataset_id=DATASET,
        key="models/user_abcdefghij/mdl_churn7fabc",
        target="churn",
        task="classification",
        model_type="random_forest",
        features=("contract", "tenure"),
        metrics=metrics(),
        artifacts=(
            Artifact(name="model.skops", size_bytes=11, sha256="cd" * 32),
            Artifact(name="metrics.json", size_bytes=11, sha256="cd" * 32),
            Artifact(name="plots/roc.png", size_bytes=11, sha256="cd" * 32),
        ),
        size_bytes=33,
        created=at(590),
    )


def import_look(name: str | None) -> ImportLook:
    """What is found in an older model."""
    files = (Artifact(name="model.pkl", size_bytes=2048, sha256="5e" * 32),)
    name = name or "churn-5e5"
    return ImportLook(
        name=name,
        files=files,
        names=tuple(f"sklearn.tree._tree.T{n}" for n in range(50)),
        estimators=("RandomForestClassifier",),
        made_with=("1.5.2",),
        confirm=(name, "5e5e5e5e"),
        sha256="5e" * 32,
    )


def imported(look: ImportLook) -> ModelInfo:
    """The model that it becomes."""
    source = ImportedFrom(files=look.files, made_with=look.made_with, walls=("limits", "hook"), rows=64)
    return model().model_copy(update={"name": look.name, "job_id": None, "dataset_id": None, "imported": source})


def described(**more: object) -> DescribedModel:
    """How ``model`` was made; ``more`` is what is not the same in another one."""
    split = HeldOut(method="random", share=0.2, sha256="11" * 32)
    making = Making(
        model_type="random_forest",
        hyperparameters={"n_estimators": 200, "max_depth": None},
        dataset_sha256="ab" * 32,
        split=split,
        seed=42,
        versions={"python": "3.12.1", "scikit-learn": "1.9.1"},
        code_sha256="22" * 32,
        machine={"provider": "local", "machine_type": "this computer", "cores": 2},
    )
    answers = Artifact(name="predictions_holdout.csv", size_bytes=11, sha256="33" * 32)
    info = model()
    info = info.model_copy(update={"artifacts": (*info.artifacts, answers)})
    return DescribedModel(info=info, making=making.model_copy(update=more))


def described_other() -> DescribedModel:
    """A boosted model of the same data, judged on the same rows, a little better."""
    found = described(model_type="lightgbm", hyperparameters={"n_estimators": 100})
    top = {**metrics()["headline"], "value": 0.851, "low": 0.833, "high": 0.868}  # type: ignore[dict-item]
    better = {**metrics(), "headline": top, "held_out": {"roc_auc": 0.851, "accuracy": 0.806}}
    changes = {"id": OTHER_MODEL, "name": "churn-8bc", "job_id": OTHER_JOB, "model_type": "lightgbm", "metrics": better}
    return found.model_copy(update={"info": found.info.model_copy(update=changes)})


def metrics() -> dict[str, object]:
    return {
        "schema": "metrics/v1",
        "headline": {
            "name": "roc_auc",
            "label": "ROC AUC",
            "value": 0.846,
            "low": 0.828,
            "high": 0.863,
            "baseline": 0.5,
            "train": 0.871,
            "higher_is_better": True,
        },
        "verdict": "3 times better than guessing",
        "gap": "",
        "held_out": {"roc_auc": 0.846, "accuracy": 0.803},
        "baseline": {"roc_auc": 0.5, "accuracy": 0.735},
        "task": "classification",
        "model_type": "random_forest",
        "rows": {"train": 5634, "test": 1409, "dropped": 0},
        "warnings": [],
    }


def running(percent: float | None = 40.0, stage: str = "train") -> TrainDocument:
    return TrainDocument(
        job=JobPart(
            id=JOB,
            name="churn-7fa",
            state=JobState.RUNNING,
            dataset_id=DATASET,
            dataset_name="customers.csv",
            target="churn",
            model_type="random_forest",
            attempt=1,
            attempts=1,
            created_at=at(0),
            started_at=at(2),
            cost_usd=usd("0.012"),
            max_cost_usd=usd("10"),
            hold_usd=usd("0.55"),
            max_runtime_s=7200,
            runtime_s=93.0,
            stage=stage,
            percent=percent,
            message="fitting 200 trees",
            left_s=240.0,
        ),
        machine=MachinePart(
            id="local-1",
            name=MACHINE_NAME,
            provider="local",
            machine_type="this computer",
            place="here",
            rate_usd_per_hour=Decimal("0.27"),
            state=MachineState.RUNNING,
            soft_deadline=at(7202),
            hard_deadline=at(7530),
            rss_bytes=512 << 20,
            memory_limit_bytes=8 << 30,
            gpu_use_percent=87.0,
        ),
        model=ModelPart(),
    )


def succeeded() -> TrainDocument:
    now = running()
    return TrainDocument(
        job=now.job.model_copy(
            update={
                "state": JobState.CLOSED,
                "outcome": Outcome.SUCCEEDED,
                "ended_at": at(580),
                "cost_usd": usd("0.0435"),
                "hold_usd": usd("0"),
                "runtime_s": 578.0,
                "stage": "done",
                "percent": 100.0,
                "left_s": None,
                "message": "",
            }
        ),
        machine=now.machine.model_copy(
            update={
                "state": MachineState.GONE,
                "rss_bytes": None,
                "memory_limit_bytes": None,
                "gpu_use_percent": None,
                "terminate_accepted_at": at(580),
                "terminated_confirmed_at": at(581),
                "proof": ("the wrapper ended", "a complete listing begun 14:09:41 has no such machine"),
            }
        ),
        model=ModelPart(id=MODEL, name="churn-7fa"),
        metrics=metrics(),
    )


def tried() -> TrainDocument:
    """A success in the third attempt."""
    done = succeeded()
    refused = AttemptPart(
        attempt=1,
        machine_type="m5.large",
        place="us-east-1a",
        spot=True,
        outcome="refused",
        detail="AWS refused: MaxSpotInstanceCountExceeded",
        cost_usd=usd("0"),
    )
    taken = {"attempt": 2, "place": "us-east-1b", "outcome": Outcome.INTERRUPTED, "cost_usd": usd("0.011")}
    return done.model_copy(
        update={
            "job": done.job.model_copy(update={"attempt": 3, "attempts": 3}),
            "machine": done.machine.model_copy(
                update={"provider": "aws", "machine_type": "m5.large", "place": "us-east-1"}
            ),
            "earlier": (refused, refused.model_copy(update={**taken, "detail": "AWS took the spot instance back"})),
        }
    )


def failed(code: str = "E-OOM", outcome: Outcome = Outcome.FAILED) -> TrainDocument:
    done = succeeded()
    return TrainDocument(
        job=done.job.model_copy(
            update={
                "outcome": outcome,
                "code": code,
                "text": "The training ran out of memory",
                "hint": "Choose a bigger machine or fewer rows",
                "detail": "3.9 of 4.0 GB were in use",
            }
        ),
        machine=done.machine,
        model=ModelPart(),
    )


def plan() -> Plan:
    return Plan(
        spec=TrainSpec(
            dataset_id=DATASET, dataset_key="k", dataset_sha256="ab" * 32, target="churn", model="random_forest"
        ),
        limits=Limits(max_runtime_s=7200, max_cost_usd=usd("10")),
        provider="local",
        offers=(
            Offer(
                id="local",
                provider="local",
                machine_type="this computer",
                place="here",
                rate_usd_per_hour=Decimal("0.27"),
                cpus=2,
                memory_gb=8,
                reason="the data fits into its memory",
            ),
        ),
        estimate=Estimate(runtime_s_low=20, runtime_s_high=90, cost_usd_low=usd("0.0015"), cost_usd_high=usd("0.007")),
        hold_usd=usd("0.5625"),
        self_termination="proven",
        warnings=("tenure: 11 values are missing and will be filled in",),
    )


def plan_document() -> PlanDocument:
    return PlanDocument(plan=plan(), dataset_name="customers.csv", rows=7043, columns=3, budget_left_usd=usd("19.38"))


def accepted() -> AcceptedDocument:
    return AcceptedDocument(job_id=JOB, name="churn-7fa")


def ps() -> PsDocument:
    first = PsRow(
        id=JOB,
        name="churn-7fa",
        state=JobState.RUNNING,
        model_type="random_forest",
        target="churn",
        provider="local",
        machine_type="this computer",
        age_s=95.0,
        runtime_s=93.0,
        cost_usd=usd("0.012"),
        max_cost_usd=usd("10"),
        stage="train",
        percent=40.0,
        rss_bytes=512 << 20,
        memory_limit_bytes=8 << 30,
        gpu_use_percent=87.0,
    )
    second = first.model_copy(
        update={
            "id": OTHER_JOB,
            "name": "price-oth",
            "state": JobState.QUEUED,
            "target": "price",
            "model_type": "ridge",
            "machine_type": None,
            "age_s": 4000.0,
            "runtime_s": None,
            "cost_usd": usd("0"),
            "stage": "",
            "percent": None,
            "rss_bytes": None,
            "memory_limit_bytes": None,
            "gpu_use_percent": None,
            "why": "waits for a free machine: 1 of 1 in use",
        }
    )
    return PsDocument(jobs=(first, second))


def machines(running_count: int = 0) -> MachinesDocument:
    row = MachineRow(
        id="local-1",
        name=MACHINE_NAME,
        state=MachineState.RUNNING,
        rate_usd_per_hour=Decimal("0.27"),
        job_id=JOB,
        ours="ours",
        first_seen=at(1),
        hard_deadline=at(7530),
        provider="local",
    )
    return MachinesDocument(
        provider="local",
        listed_at=at(582),
        complete=True,
        machines=(row,) * running_count,
        running=running_count,
    )


STRANGER_NAME = "lc1-abcdef6543-other2fabc-a001-x1795442400-qrst"


def reconciled(*, acts: bool = False) -> ReconcileDocument:
    ours = ReconcileRow(
        id="pod-1",
        name=MACHINE_NAME,
        state=MachineState.RUNNING,
        whose="ours",
        reason="An open job owns it.",
        job_id=JOB,
        age_s=93.0,
        rate_usd_per_hour=Decimal("0.27"),
        cost_usd=usd("0.006975"),
        hard_deadline=at(7530),
        provider="runpod",
        does="nothing",
    )
    stranger = {
        "id": "pod-2",
        "name": STRANGER_NAME,
        "whose": "other_generation",
        "reason": "It was rented under another generation of the journal, which does not know it any more.",
        "job_id": OTHER_JOB,
        "does": "adopt",
        "done": acts,
        "detail": "Taken over: its job goes on, and ends with proof and cost as any other."
        if acts
        else f"Take it over: --adopt; or end it: --reap {STRANGER_NAME}",
    }
    foreign = {
        "id": "pod-3",
        "name": "somebody-elses-\x1b[31mpod",
        "whose": "foreign",
        "reason": "It is not this installation's, and is never touched.",
        "job_id": None,
        "hard_deadline": None,
        "rate_usd_per_hour": None,
        "cost_usd": usd("0"),
    }
    rows = (ours, ours.model_copy(update=stranger), ours.model_copy(update=foreign))
    return ReconcileDocument(
        provider="runpod", listed_at=at(95), complete=True, dry_run=not acts, machines=rows, unknown=0 if acts else 1
    )


def pruned(*, dry_run: bool = False) -> PruneDocument:
    return PruneDocument(
        dry_run=dry_run,
        job_folders=Pruned(things=3, objects=41, size_bytes=1_500_000),
        logs=Pruned(),
        environments=Pruned(things=1, objects=9000, size_bytes=410_000_000),
        bundles=Pruned(),
        leftovers=Pruned(things=2, objects=2),
        kept_in_use=1,
        complete=False,
    )


def cost() -> CostDocument:
    return CostDocument(
        by="day",
        rows=(
            CostRow(key="2026-11-22", jobs=3, cost_usd=usd("1.204")),
            CostRow(key="2026-11-23", jobs=1, cost_usd=usd("0.0435")),
        ),
        total_usd=usd("1.2475"),
        running_usd=usd("0"),
        reserved_usd=usd("0"),
        budgets=(
            BudgetRow(
                name="day",
                limit_usd=usd("20"),
                spent_usd=usd("0.0435"),
                reserved_usd=usd("0"),
                left_usd=usd("19.9565"),
            ),
        ),
    )


def bill_price(since: date | None = None, until: date | None = None) -> BillPriceDocument:
    return BillPriceDocument(
        provider="aws",
        since=since or date(2026, 11, 1),
        until=until or date(2026, 11, 23),
        question_usd=usd("0.01"),
        most_usd=usd("0.10"),
    )


def billed() -> BilledDocument:
    def row(key: str, booked: str, theirs: str) -> BilledRow:
        difference = usd(theirs) - usd(booked)
        return BilledRow(key=key, booked_usd=usd(booked), billed_usd=usd(theirs), difference_usd=difference)

    return BilledDocument(
        provider="aws",
        since=date(2026, 11, 1),
        until=date(2026, 11, 23),
        asked_at=at(0),
        questions=1,
        cost_usd=usd("0.01"),
        estimated=True,
        jobs=(row(str(JOB), "0.0435", "0.0402"), row(str(OTHER_JOB), "0", "0.011")),
        days=(row("2026-11-20", "0.0435", "0.0512"),),
        nameless=(ServiceCost(service="Amazon Simple Storage Service", billed_usd=usd("0.12")),),
    )


def status(**changes: object) -> StatusDocument:
    found = StatusDocument(
        version="0.1.0",
        run="r1",
        started_at=at(-3600),
        provider="local",
        account="local-abc",
        jobs={"running": 1, "queued": 1},
        machines_running=1,
        rate_usd_per_hour=Decimal("0.27"),
        spent_today_usd=usd("0.0435"),
        spent_month_usd=usd("1.2475"),
        reserved_usd=usd("0.5625"),
        last_complete_listing=at(-1),
        dead_letters=0,
        alarms=(
            AlarmRow(alarm="clock", detail="the wall clock jumped by 90 s", at=at(-30)),
            AlarmRow(
                alarm="end_unproven",
                detail="Machine pod1 was told to end 2 min ago and is not proven gone.",
                code="E-UNPROVEN",
                at=at(-60),
            ),
        ),
        actors=(
            ActorRow(name="dispatcher", depth=0, oldest_s=0.0, restarts=0, handled=7, parked=False),
            ActorRow(name="supervisor/job_churn7fabc", depth=1, oldest_s=0.2, restarts=1, handled=9, parked=False),
        ),
    )
    return found.model_copy(update=changes)


def event(position: int) -> EventLine:
    return EventLine(
        position=position,
        at=at(position),
        stream=f"job/{JOB}",
        kind="job.started",
        actor="supervisor",
        cause="api:0:k",
        body={"attempt": 1},
    )


def log_line(line: int, text: str = "epoch 1") -> LogLineOut:
    return LogLineOut(file=1, line=line, at=at(line), stream="stdout", text=text)


def prediction() -> PredictionInfo:
    return PredictionInfo(
        id="prd_churn7fabc",
        user_id=USER,
        model_id=MODEL,
        key="predictions/user_abcdefghij/prd_churn7fabc/out.csv",
        rows=2,
        size_bytes=11,
        cost_usd=usd("0"),
        created=at(700),
    )


def stored(key: str, data: bytes, sha256: str) -> ObjectInfo:
    return ObjectInfo(key=key, size_bytes=len(data), modified=NOON, sha256=sha256)
