"""Addresses on a volume name one of its keys, or are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.interface import Refused
from providers.keys import split_key
from providers.runpod.storage import endpoint_of
from providers.runpod.uris import key_of, uri_of

VOLUME = "2q9m7x4c"


@pytest.mark.parametrize("scheme", ["runpod", "s3"])
def test_both_schemes_name_a_key(scheme: str) -> None:
    assert key_of(f"{scheme}://{VOLUME}/datasets/user_x/data.csv", VOLUME) == "datasets/user_x/data.csv"


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "datasets/x",
        f"{VOLUME}/x",
        f"http://{VOLUME}/x",
        f"RUNPOD://{VOLUME}/x",
        "runpod://other/x",
        f"runpod://{VOLUME}",
        f"runpod://{VOLUME}/",
        f"runpod://{VOLUME}//etc/passwd",
        f"runpod://{VOLUME}/a/../b",
        f"runpod://{VOLUME}/..",
        f"runpod://{VOLUME}/.s3compat_uploads/x",
        f"runpod://{VOLUME}/a\nb",
        f"runpod://{VOLUME}/a\\b",
        f"runpod://{VOLUME}/{'x' * 256}",
        f"runpod://{VOLUME}/{'x/' * 600}x",
        f"runpod://user@{VOLUME}/x",
        f"runpod://{VOLUME}:443/x",
    ],
    ids=range(18),
)
def test_what_is_not_on_the_volume_or_is_no_key_is_refused(uri: str) -> None:
    with pytest.raises(Refused):
        key_of(uri, VOLUME)


@given(st.text(st.sampled_from("ab./ü~%20?#"), min_size=1, max_size=20))
def test_what_is_taken_is_written_the_same_way(text: str) -> None:
    try:
        key = key_of(f"runpod://{VOLUME}/{text}", VOLUME)
    except Refused:
        return
    assert key == text
    assert "/".join(split_key(key)) == key
    assert uri_of(key, VOLUME) == f"runpod://{VOLUME}/{text}"


def test_each_data_centre_has_an_endpoint_of_its_own() -> None:
    assert endpoint_of("EU-RO-1") == "https://s3api-eu-ro-1.runpod.io"
