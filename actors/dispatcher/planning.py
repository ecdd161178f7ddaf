"""From an order to a priced plan. Pure: the offers and what inspection found come in."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import NamedTuple

from actors.ledger.entries import hold_for
from actors.ledger.holds import Terms
from messages.admin import CheckedTraining, TrainOrder
from messages.errors import Refusal
from messages.jobs import Estimate, Limits, Plan, TrainSpec
from messages.machines import Offer, ProviderKind, SelfEnding, Timings
from messages.money import Usd, accrued

FIRST_LOW_S, FIRST_HIGH_S = 2.0, 30.0
"""Training time of a tiny file on a small machine, before there are runs to learn from."""
PER_MB_LOW_S, PER_MB_HIGH_S = 0.1, 6.0
"""Training time per megabyte of table, from the quickest to the slowest family."""
SPREAD_LOW, SPREAD_HIGH = 0.7, 1.6
"""Range around the mean of past runs."""
FLAT_MB = 1.0
"""Files much smaller than this take about the same time: start and imports dominate."""
SCALING = 0.8
"""Time grows a little slower than the data."""
PAST_RUNS_MIN = 3
"""Past runs of the same kind from which on they are believed."""


_NO_LIBRARY = (
    "Predictions are made on this computer, where {} is not installed: pip install 'lastcall[boosters]' before them."
)


class Defaults(NamedTuple):
    """Limits of an order that names none."""

    max_runtime_s: int
    max_cost_usd: Usd
    max_billed_attempts: int


class PastRuns(NamedTuple):
    """Earlier runs of this installation with the same model and provider."""

    runs: int
    seconds_mean: float
    megabytes_mean: float


def plan(
    order: TrainOrder,
    checked: CheckedTraining,
    offers: list[Offer],
    timings: Timings,
    defaults: Defaults,
    past: PastRuns,
    provider: ProviderKind,
    self_ending: SelfEnding,
    *,
    here: bool,
    brings: Collection[str] = (),
) -> Plan:
    """Return the priced plan of ``order``; ``here`` says whether its machine is this computer.

    ``brings`` are the libraries that the machines' image has and no job can bring.

    Raises ``Refusal`` E-NOCAP, E-CAPTOOSMALL, E-LIBRARY.
    """
    lacking = checked.library_missing
    if here and lacking:
        raise Refusal("E-LIBRARY", f"{order.model} needs {lacking}, which is not installed on this computer")
    by_image = checked.image_library
    if by_image and not here and by_image not in brings:
        raise Refusal(
            "E-LIBRARY",
            f"{order.model} needs {by_image}, which only the GPU image has: build and push it (lastcall images build "
            f"--gpu) and name it in {provider}.image",
        )
    if not offers:
        wanted = f" of the kind {order.machine!r}" if order.machine else ""
        raise Refusal("E-NOCAP", f"The provider offers no machine{wanted}.")
    limits = Limits(
        max_runtime_s=order.max_runtime_s or defaults.max_runtime_s,
        max_cost_usd=order.max_cost_usd or defaults.max_cost_usd,
        max_billed_attempts=defaults.max_billed_attempts,
    )
    terms = Terms.of(offers[0], timings)
    hold_usd = hold_for(terms, timings, limits.max_cost_usd, limits.max_runtime_s)
    size_mb = checked.dataset.size_bytes / 1e6
    return Plan(
        spec=_spec(order, checked),
        limits=limits,
        provider=provider,
        offers=tuple(offers),
        estimate=estimate(size_mb, terms, limits, past),
        hold_usd=hold_usd,
        self_termination=self_ending,
        warnings=(*checked.warnings, *((_NO_LIBRARY.format(lacking),) if lacking and not by_image else ())),
        copied_from=checked.copied_from,
    )


def _spec(order: TrainOrder, checked: CheckedTraining) -> TrainSpec:
    return TrainSpec(
        dataset_id=checked.dataset.id,
        dataset_key=checked.dataset.key,
        dataset_sha256=checked.dataset.sha256,
        target=order.target,
        model=order.model,
        task=checked.task,
        features=order.features,
        parameters=order.parameters,
        test_share=order.test_share,
        seed=order.seed,
        group=order.group,
        time=order.time,
        last_run=checked.last_run,
        dataset_bytes=checked.dataset.size_bytes,
        delimiter=checked.dataset.profile.delimiter,
        encoding=checked.dataset.profile.encoding,
    )


def estimate(size_mb: float, terms: Terms, limits: Limits, past: PastRuns) -> Estimate:
    """Return the expected range of time and cost, from past runs where there are enough of them."""
    low_s, high_s = FIRST_LOW_S + PER_MB_LOW_S * size_mb, FIRST_HIGH_S + PER_MB_HIGH_S * size_mb
    if past.runs >= PAST_RUNS_MIN:
        share = (size_mb + FLAT_MB) / (past.megabytes_mean + FLAT_MB)
        mean_s = past.seconds_mean * share**SCALING
        low_s, high_s = mean_s * SPREAD_LOW, mean_s * SPREAD_HIGH
    low_s = min(low_s + terms.expected_start_s, limits.max_runtime_s)
    high_s = min(high_s + terms.expected_start_s, limits.max_runtime_s)
    return Estimate(
        runtime_s_low=round(low_s, 1),
        runtime_s_high=round(high_s, 1),
        cost_usd_low=min(limits.max_cost_usd, _cost(terms, low_s)),
        cost_usd_high=min(limits.max_cost_usd, _cost(terms, high_s)),
    )


def _cost(terms: Terms, lived_s: float) -> Decimal:
    return accrued(terms.rate_usd_per_hour, max(terms.least_s, lived_s)) + terms.fixed_usd
