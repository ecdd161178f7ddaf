"""Who may touch which key (design.md rule 13, faults 83 and 88)."""

from __future__ import annotations

import itertools
import posixpath
import unicodedata
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.storage.access import (
    KEY_CHARS_MAX,
    SEGMENT_CHARS_MAX,
    SEGMENTS_MAX,
    URI_CHARS_MAX,
    Area,
    Denied,
    Granted,
    Layout,
    Reason,
    decide_access,
    safe_name,
)
from messages.ids import BASE32, DatasetId, JobId, ModelId, PredictionId, UserId

LAYOUT = Layout(bucket="our-bucket", volume="vol123")
ANN = UserId("usr_aaaaaaaaaa")
BOB = UserId("usr_bbbbbbbbbb")
HOME = f"datasets/user_{ANN}"

users = st.text(BASE32, min_size=10, max_size=10).map(lambda tail: UserId(f"usr_{tail}"))
ATTACKS = [
    "..",
    ".",
    "/",
    "//",
    "\\",
    "%2e%2e",
    "%2F",
    "~",
    "-rf",
    ".ssh",
    "C:",
    "?x",
    "#",
    "s3:",
    "datasets",
    "models",
    "predictions",
    "jobs",
    "DATASETS",
    "user_",
    "incoming",
    "data.csv",
    "s3://our-bucket/",
    "s3://other/",
    "runpod://vol123/",
    "file:///",
    "S3://our-bucket/",
]
UNICODE_TRICKS = ["\0", "\n", "\u2025", "\uff0e", "\u202e", "e\u0301", "é"]
pieces = st.one_of(st.text(max_size=8), st.sampled_from(ATTACKS), st.sampled_from(UNICODE_TRICKS))


def names_of(mine: UserId, other: UserId) -> st.SearchStrategy[str]:
    """Strings made of what attackers put together, with both users' real folders in them."""
    homes = [f"{area}/user_{user}/" for area in Area for user in (mine, other)]
    return st.lists(st.one_of(pieces, st.sampled_from([*homes, f"user_{mine}", f"user_{other}"])), max_size=8).map(
        "".join
    )


@given(st.data(), users, users)
def test_a_key_is_only_ever_granted_inside_the_users_own_four_folders(
    data: st.DataObject, mine: UserId, other: UserId
) -> None:
    text = data.draw(names_of(mine, other))
    answer = decide_access(LAYOUT, mine, text)
    if isinstance(answer, Denied):
        return
    homes = tuple(f"{area}/user_{mine}/" for area in Area)
    for read in (lambda k: k, unquote, posixpath.normpath, lambda k: unicodedata.normalize("NFKC", k)):
        assert read(answer.key) == answer.key
        assert read(answer.key).startswith(homes)
    absolute = posixpath.normpath(posixpath.join("/root", answer.key))
    assert absolute.startswith(tuple(f"/root/{home}" for home in homes))
    assert len(answer.key) <= KEY_CHARS_MAX


@given(st.text(max_size=URI_CHARS_MAX + 10), users)
def test_any_text_whatever_is_answered_and_never_raises(text: str, user: UserId) -> None:
    assert isinstance(decide_access(LAYOUT, user, text), Granted | Denied)
    assert isinstance(safe_name(text), bool)


@given(users, st.lists(st.from_regex(r"\A[A-Za-z0-9_][A-Za-z0-9._-]{0,20}\Z"), min_size=1, max_size=5))
def test_plain_names_in_the_users_own_folders_are_granted_as_they_are(user: UserId, rest: list[str]) -> None:
    for area in Area:
        key = f"{area}/user_{user}/{'/'.join(rest)}"
        for spelling in (key, f"s3://our-bucket/{key}", f"runpod://vol123/{key}"):
            assert decide_access(LAYOUT, user, spelling) == Granted(key, area, tuple(rest))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", Reason.EMPTY),
        ("s3://our-bucket/", Reason.EMPTY),
        ("s3://our-bucket", Reason.EMPTY),
        ("x" * (URI_CHARS_MAX + 1), Reason.TOO_LONG),
        (f"{HOME}/" + "a/" * 300 + "b" * 200, Reason.TOO_LONG),
        (f"{HOME}/" + "/".join("a" * SEGMENTS_MAX), Reason.TOO_LONG),
        (f"{HOME}/{'a' * (SEGMENT_CHARS_MAX + 1)}", Reason.TOO_LONG),
        (f"{HOME}/a\0b", Reason.CONTROL_CHARACTER),
        (f"{HOME}/a\nb", Reason.CONTROL_CHARACTER),
        (f"{HOME}/a\x7fb", Reason.CONTROL_CHARACTER),
        (f"{HOME}/a\u202eb", Reason.CONTROL_CHARACTER),
        (f"{HOME}/a\ud800b", Reason.CONTROL_CHARACTER),
        (f"{HOME}/e\u0301", Reason.UNICODE),
        (f"{HOME}/\u00e9", Reason.UNICODE),
        (f"{HOME}/\uff0e\uff0e/x", Reason.UNICODE),
        (f"{HOME}\u2215x", Reason.UNICODE),
        (f"{HOME}/%2e%2e/x", Reason.PERCENT_ENCODED),
        (f"{HOME}/100%", Reason.PERCENT_ENCODED),
        (f"{HOME}\\x", Reason.BACKSLASH),
        (f"/{HOME}/x", Reason.ABSOLUTE),
        (f"{HOME}//x", Reason.EMPTY_SEGMENT),
        (f"{HOME}/x/", Reason.EMPTY_SEGMENT),
        (f"{HOME}/../user_{BOB}/x", Reason.DOT_SEGMENT),
        (f"{HOME}/./x", Reason.DOT_SEGMENT),
        (f"{HOME}/.../x", Reason.DOT_SEGMENT),
        (f"{HOME}/.ssh", Reason.CHARACTER),
        (f"{HOME}/-rf", Reason.CHARACTER),
        (f"{HOME}/a b", Reason.CHARACTER),
        (f"{HOME}/a?versionId=1", Reason.CHARACTER),
        (f"{HOME}/C:x", Reason.CHARACTER),
        ("file:///etc/passwd", Reason.SCHEME),
        (f"S3://our-bucket/{HOME}/x", Reason.SCHEME),
        (f"https://our-bucket/{HOME}/x", Reason.SCHEME),
        (f"s3://other/{HOME}/x", Reason.OTHER_BUCKET),
        (f"s3://user@our-bucket/{HOME}/x", Reason.OTHER_BUCKET),
        (f"runpod://our-bucket/{HOME}/x", Reason.OTHER_BUCKET),
        ("s3:///x", Reason.OTHER_BUCKET),
        (f"datasets/user_{BOB}/x", Reason.OTHER_USER),
        (f"datasets/user_{str(ANN).upper()}/x", Reason.OTHER_USER),
        (f"datasets/{ANN}/x", Reason.OTHER_USER),
        ("datasets/x", Reason.OTHER_USER),
        (HOME, Reason.NOT_A_FILE),
        (f"Datasets/user_{ANN}/x", Reason.OTHER_PREFIX),
        (f"datasetsx/user_{ANN}/x", Reason.OTHER_PREFIX),
        ("datasets", Reason.OTHER_PREFIX),
        ("journal.db", Reason.OTHER_PREFIX),
    ],
)
def test_what_is_refused_says_why(text: str, reason: Reason) -> None:
    answer = decide_access(LAYOUT, ANN, text)
    assert isinstance(answer, Denied)
    assert answer.reason is reason
    assert answer.detail


def test_no_uri_is_accepted_by_a_store_that_has_no_bucket() -> None:
    for text in (f"s3://our-bucket/{HOME}/x", f"runpod://vol123/{HOME}/x", f"s3://None/{HOME}/x", f"s3:///{HOME}/x"):
        assert isinstance(decide_access(Layout(), ANN, text), Denied)


def keys_of(user: UserId) -> list[str]:
    """Every kind of key we make for a user."""
    job, dataset, model, prediction = (
        JobId("job_cccccccccc"),
        DatasetId("ds_cccccccccc"),
        ModelId("mdl_cccccccccc"),
        PredictionId("prd_cccccccccc"),
    )
    return [
        LAYOUT.dataset_key(user, dataset),
        LAYOUT.incoming_key(user, dataset),
        LAYOUT.question_key(user, dataset),
        LAYOUT.model_folder(user, model),
        LAYOUT.prediction_key(user, prediction),
        LAYOUT.incoming_rows_key(user, prediction),
        LAYOUT.job_folder(user, job, 7),
    ]


def test_every_key_we_make_is_its_users_and_nobody_elses() -> None:
    everybody = [UserId(f"usr_{c * 10}") for c in "abz27"]
    for owner, reader in itertools.product(everybody, repeat=2):
        for key in keys_of(owner):
            assert isinstance(decide_access(LAYOUT, reader, key), Granted) == (owner == reader)


def test_keys_are_written_as_the_design_says() -> None:
    assert LAYOUT.job_folder(ANN, JobId("job_cccccccccc"), 3) == f"jobs/user_{ANN}/job_cccccccccc/3"
    assert LAYOUT.model_folder(ANN, ModelId("mdl_cccccccccc")) == f"models/user_{ANN}/mdl_cccccccccc"
    moved = Layout(datasets="team/data", jobs="team/jobs")
    assert moved.dataset_key(ANN, DatasetId("ds_cccccccccc")).startswith(f"team/data/user_{ANN}/ds_cccccccccc/")
    assert isinstance(decide_access(moved, ANN, f"team/data/user_{ANN}/x"), Granted)
    assert isinstance(decide_access(moved, ANN, f"datasets/user_{ANN}/x"), Denied)


@pytest.mark.parametrize("attempt", [0, -1, 1000])
def test_an_impossible_attempt_has_no_folder(attempt: int) -> None:
    with pytest.raises(ValueError, match="attempt"):
        LAYOUT.job_folder(ANN, JobId("job_cccccccccc"), attempt)


@pytest.mark.parametrize(
    "changes",
    [
        {"datasets": "models"},
        {"datasets": "Models"},
        {"datasets": "models/inner"},
        {"datasets": ""},
        {"datasets": "/abs"},
        {"datasets": "a/../b"},
        {"datasets": "a/b/c/d/e"},
        {"datasets": "x" * 65},
        {"bucket": "a/b"},
        {"volume": ""},
    ],
)
def test_a_layout_in_which_one_key_could_mean_two_things_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"prefix|name"):
        Layout(**changes)


def test_a_name_inside_a_folder_of_ours_is_relative_and_plain() -> None:
    assert safe_name("plots/roc.png")
    for name in ("", "/etc/passwd", "../x", "a/../b", "a\\b", "a\0", "%2e", "a/", ".hidden", "é"):
        assert not safe_name(name)
