"""Which machine for which job, R6.1, and how offers are ranked."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from containers.training.families import FAMILIES
from providers.interface import Need
from providers.runpod.catalogue import Catalogue, Cpu, Gpu, Stock, read_cpus, read_gpus
from providers.runpod.offers import OFFERS_MAX, are_enough, rank, select_gpu, vcpus_for, wants_cpus, wants_gpus
from providers.runpod.prices import usual_rate
from tests.support.runpod_wire import PLACE, SETTINGS

A5000, A40, A100 = "NVIDIA RTX A5000", "NVIDIA A40", "NVIDIA A100 80GB PCIe"


def gpu(identity: str, memory_gb: int, usd: str | None, stock: Stock = Stock.HIGH, **more: Any) -> Gpu:
    price = Decimal(usd) if usd else None
    return Gpu(identity, identity.removeprefix("NVIDIA "), memory_gb, price, more.get("community"), {PLACE: stock})


CPU = Cpu("cpu3c", "CPU3", 2, 32, 2.0, Decimal("0.03"), {PLACE: Stock.HIGH})
GPUS = (
    gpu("NVIDIA L4", 24, "0.43"),
    gpu(A5000, 24, "0.27"),
    gpu("NVIDIA RTX A4000", 16, "0.20"),
    gpu("NVIDIA RTX A4500", 24, "0.27", Stock.LOW),
    gpu(A40, 48, "0.40"),
    gpu(A100, 80, "1.64"),
    gpu("NVIDIA H200", 141, "3.59"),
    gpu("NVIDIA H100 NVL", 94, "0.01", Stock.NONE),
)
ALL = Catalogue(GPUS, (CPU,))


def types(need: Need, catalogue: Catalogue = ALL, **settings: Any) -> list[str]:
    return [o.machine_type for o in rank(need, catalogue, PLACE, SETTINGS.model_copy(update=settings))]


@pytest.mark.parametrize(
    ("size_mb", "model", "chosen"),
    [
        (1, "linear", A5000),
        (1000, "xgboost", A5000),
        (1001, "xgboost", A40),
        (5000, "auto", A40),
        (5001, "auto", A100),
        (1, "neural_network", A100),
        (1, "mlp_classification", A5000),
    ],
)
def test_size_and_model_choose_the_type(size_mb: float, model: str, chosen: str) -> None:
    assert select_gpu(size_mb, model, A5000) == chosen


def test_the_configured_default_replaces_the_smallest_row_only() -> None:
    assert select_gpu(1, "linear", "NVIDIA L4") == "NVIDIA L4"
    assert select_gpu(2000, "linear", "NVIDIA L4") == A40
    assert select_gpu(9000, "linear", "NVIDIA L4") == A100


def test_the_chosen_type_comes_first_then_as_much_memory_by_price_and_stock() -> None:
    without_cpus = Catalogue(GPUS, ())
    assert types(Need(size_mb=1, model_type="xgboost"), without_cpus) == [A5000, "NVIDIA RTX A4500", A40, "NVIDIA L4"]


@pytest.mark.parametrize("model", ["auto", *(name for name, family in FAMILIES.items() if not family.wants_gpu)])
def test_a_cpu_machine_comes_first_where_a_gpu_would_idle(model: str) -> None:
    assert types(Need(size_mb=1, model_type=model))[0] == "cpu3c-4"


@pytest.mark.parametrize("model", [name for name, family in FAMILIES.items() if family.wants_gpu])
def test_what_computes_on_a_gpu_gets_no_other_machine(model: str) -> None:
    assert not any(t.startswith("cpu") for t in types(Need(size_mb=1, model_type=model)))


def test_of_machines_without_gpu_the_cheapest_is_offered_first() -> None:
    cheap = CPU._replace(id="cpu9z", usd_per_vcpu=Decimal("0.01"))
    found = types(Need(size_mb=1, model_type="linear"), Catalogue(GPUS, (CPU, cheap)))
    assert found[:2] == ["cpu9z-4", "cpu3c-4"]


@pytest.mark.parametrize(("flavours", "enough"), [(4, False), (5, True)])
def test_only_enough_flavours_in_stock_make_gpus_needless(flavours: int, enough: bool) -> None:
    """Each is a machine of its own to fall back on."""
    cpus = tuple(CPU._replace(id=f"cpu{number}c") for number in range(flavours))
    sold_out = CPU._replace(id="cpu9c", stock={PLACE: Stock.NONE})
    need = Need(size_mb=1, model_type="linear")
    assert are_enough(need, (*cpus, sold_out), PLACE, SETTINGS) is enough
    assert not are_enough(need.model_copy(update={"machine": "cpu1c-4"}), cpus, PLACE, SETTINGS)


def test_every_flavour_in_stock_is_offered_before_any_gpu() -> None:
    cpus = tuple(CPU._replace(id=f"cpu{number}c", usd_per_vcpu=Decimal("0.03") + number) for number in range(5))
    found = types(Need(size_mb=1, model_type="linear"), Catalogue(GPUS, cpus))
    assert (
        found
        == [
            *(f"cpu{number}c-4" for number in range(5)),
            *types(Need(size_mb=1, model_type="xgboost"), Catalogue(GPUS, ())),
        ][:OFFERS_MAX]
    )


def test_a_cpu_machine_grows_with_the_data_or_is_not_offered() -> None:
    assert vcpus_for(1, CPU) == 4
    assert vcpus_for(2000, CPU) == 8
    assert vcpus_for(50_000, CPU) is None
    assert vcpus_for(1, CPU._replace(vcpus_max=2)) is None
    assert vcpus_for(1, CPU._replace(vcpus_min=6)) == 8


def test_the_users_own_choice_is_the_only_offer() -> None:
    assert types(Need(size_mb=9000, model_type="auto", machine="NVIDIA L4")) == ["NVIDIA L4"]
    assert types(Need(size_mb=9000, model_type="auto", machine="cpu3c-16")) == ["cpu3c-16"]
    for unknown in ("NVIDIA RTX A40", "cpu3c-3", "cpu3c-64", "cpu9z-4", "no such type", ""):
        assert types(Need(size_mb=1, model_type="auto", machine=unknown)) == []


@pytest.mark.parametrize(
    ("model", "machine", "lists"),
    [
        ("auto", None, ("cpus", "gpus")),
        ("neural_network", None, ("gpus",)),
        ("auto", A5000, ("gpus",)),
        ("neural_network", "cpu3c-4", ("cpus",)),
    ],
)
def test_what_is_not_asked_for_changes_no_offer(model: str, machine: str | None, lists: tuple[str, ...]) -> None:
    need = Need(size_mb=1, model_type=model, machine=machine)
    asked = Catalogue(GPUS if wants_gpus(need) else (), (CPU,) if wants_cpus(need) else ())
    assert tuple(name for name, found in (("cpus", asked.cpus), ("gpus", asked.gpus)) if found) == lists
    assert rank(need, asked, PLACE, SETTINGS) == rank(need, ALL, PLACE, SETTINGS)


def test_what_has_no_price_is_not_offered() -> None:
    assert types(Need(size_mb=1, model_type="xgboost"), Catalogue((gpu(A5000, 24, None),), ())) == []
    assert types(Need(size_mb=1, model_type="auto", machine=A5000), Catalogue((gpu(A5000, 24, None),), ())) == []


def test_out_of_stock_goes_last_and_says_so() -> None:
    gpus = (gpu(A5000, 24, "0.27", Stock.NONE), gpu("NVIDIA L4", 24, "0.43"))
    offers = rank(Need(size_mb=1, model_type="xgboost"), Catalogue(gpus, ()), PLACE, SETTINGS)
    assert [o.machine_type for o in offers] == ["NVIDIA L4", A5000]
    assert "out of stock in EU-RO-1" in offers[1].reason


def test_stock_elsewhere_is_no_stock() -> None:
    assert types(Need(size_mb=1, model_type="xgboost"), Catalogue(GPUS[:2], ())) == [A5000, "NVIDIA L4"]
    offers = rank(Need(size_mb=1, model_type="xgboost"), Catalogue(GPUS[:2], ()), "US-KS-2", SETTINGS)
    assert [o.machine_type for o in offers] == [A5000]


def test_offers_are_bounded_and_have_ids_of_their_own() -> None:
    many = tuple(gpu(f"NVIDIA X{n:02}", 24, "0.30") for n in range(40))
    offers = rank(Need(size_mb=1, model_type="auto"), Catalogue((*GPUS, *many), (CPU,)), PLACE, SETTINGS)
    assert len(offers) == OFFERS_MAX
    assert len({o.id for o in offers}) == OFFERS_MAX
    assert all("\n" not in o.reason and o.id == f"{o.machine_type}@{PLACE}" for o in offers)


def test_the_community_clouds_prices_are_its_own() -> None:
    gpus = (gpu(A5000, 24, "0.27", community=Decimal("0.16")), gpu("NVIDIA L4", 24, "0.43"))
    need = Need(size_mb=1, model_type="linear")
    [offer] = rank(need, Catalogue(gpus, (CPU,)), PLACE, SETTINGS.model_copy(update={"cloud_type": "COMMUNITY"}))
    assert offer.rate_usd_per_hour == Decimal("0.16")


def test_the_disk_is_priced_beside_the_machine() -> None:
    [offer] = rank(Need(size_mb=1, model_type="auto", machine=A5000), ALL, PLACE, SETTINGS)
    assert offer.disk_usd_per_hour == Decimal("0.005479452")
    assert (offer.gpu, offer.gpu_count) == ("RTX A5000 24 GB", 1)


def test_a_catalogue_is_read_as_far_as_it_makes_sense() -> None:
    good = {
        "id": A5000,
        "name": "RTX A5000",
        "memory": 24,
        "price": {"secure": Decimal("0.27"), "community": 0},
        "dataCenters": [{"id": "eu-ro-1", "availability": "HIGH"}, {"id": "X", "availability": "SOME"}, {}, 3],
    }
    read = read_gpus({"gpus": [good, {"id": "x"}, {"id": "y", "memory": 1, "price": None}, None]})
    assert read == (Gpu(A5000, "RTX A5000", 24, Decimal("0.27"), None, {"EU-RO-1": Stock.HIGH, "X": Stock.UNSAID}),)
    assert read_gpus({}) is None
    assert read_gpus([]) is None


def test_flavours_are_read_as_far_as_they_make_sense() -> None:
    good: dict[str, Any] = {
        "id": "cpu3c",
        "vcpu": {"min": 2, "max": 32},
        "ramGbPerVcpu": 2,
        "price": {"securePerVcpu": Decimal("0.03")},
    }
    assert read_cpus({"cpus": [good]}) == (Cpu("cpu3c", "cpu3c", 2, 32, 2.0, Decimal("0.03"), None),)
    changes: tuple[dict[str, Any], ...] = ({"vcpu": None}, {"price": {}}, {"ramGbPerVcpu": 0}, {"id": 3}, {"vcpu": {}})
    for change in changes:
        assert read_cpus({"cpus": [good | change]}) == ()
    assert read_cpus({"cpus": "x"}) is None
    assert rank(Need(size_mb=1, model_type="linear"), Catalogue((), read_cpus({"cpus": [good]}) or ()), PLACE, SETTINGS)


def test_usual_prices_are_for_estimates_of_known_types() -> None:
    assert usual_rate(A100) == Decimal("1.64")
    assert usual_rate("NVIDIA RTX A40") is None
    for chosen in (A5000, A40, A100):
        assert usual_rate(chosen)
