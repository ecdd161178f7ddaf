"""Where a volume goes, and what it costs."""

from __future__ import annotations

from decimal import Decimal

import pytest

from lastcall.setup.places import WITH_S3, rank
from providers.runpod.catalogue import Gpu, Stock
from providers.runpod.prices import volume_usd_per_month

A5000, A40 = "NVIDIA RTX A5000", "NVIDIA A40"


def gpu(name: str, **stock: Stock) -> Gpu:
    return Gpu(name, name, 24, Decimal(1), None, {place.replace("_", "-"): much for place, much in stock.items()})


@pytest.mark.parametrize(("size", "usd"), [(10, "0.70"), (100, "7.00"), (1000, "70.00"), (2000, "120.00")])
def test_a_volume_is_cheaper_above_a_terabyte(size: int, usd: str) -> None:
    assert volume_usd_per_month(size) == Decimal(usd)


def test_the_usual_gpu_comes_before_more_kinds_and_these_before_more_stock() -> None:
    gpus = [
        gpu(A5000, B=Stock.LOW, C=Stock.HIGH),
        gpu(A40, A=Stock.HIGH, D=Stock.HIGH),
        gpu("other", A=Stock.HIGH, B=Stock.NONE),
    ]
    places = rank(gpus, ["A", "B", "C", "D", "E"], (A5000, A40))
    assert [place.id for place in places] == ["C", "B", "A", "D", "E"]
    assert places[0].wanted == (A5000,)
    assert places[-1].wanted == ()


def test_only_places_with_s3_are_chosen_among() -> None:
    assert [place.id for place in rank([gpu(A5000, X=Stock.HIGH)], ["EU-RO-1"], (A5000,))] == ["EU-RO-1"]
    assert len(WITH_S3) == len(set(WITH_S3)) == 15
