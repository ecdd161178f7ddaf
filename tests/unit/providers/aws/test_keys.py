"""Where the access key comes from, and when it is read again."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from providers.aws.client import Call
from providers.aws.keys import Chain, key_source
from providers.aws.settings import Keys
from providers.interface import Refused
from tests.support.aws_cloud import Cloud


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No metadata, no files but those of the test."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    return tmp_path


async def test_fixed_keys_are_given_as_they_are() -> None:
    source = key_source(Keys(access_key="A", secret_key=SecretStr("s"), session_token=SecretStr("t")), "ignored")
    found = await source.now()
    assert (found.access_key, found.secret_key, found.session_token) == ("A", "s", "t")
    source.forget()
    assert await source.now() == found
    await source.close()


async def test_a_profile_is_read_once_and_anew_after_aws_refused_it(alone: Path) -> None:
    file = alone / "credentials"
    file.write_text("[work]\naws_access_key_id = A\naws_secret_access_key = s\n")
    source = Chain("work")
    assert (await source.now()).access_key == "A"
    file.write_text("[work]\naws_access_key_id = B\naws_secret_access_key = s\n")
    assert (await source.now()).access_key == "A"
    source.forget()
    assert (await source.now()).access_key == "B"
    await source.close()


async def test_the_environment_is_part_of_the_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "E")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    source = Chain(None)
    assert (await source.now()).access_key == "E"
    await source.close()


async def test_without_any_key_it_is_said_what_to_set() -> None:
    source = Chain(None)
    with pytest.raises(Refused, match=r"aws.profile"):
        await source.now()
    await source.close()


async def test_a_profile_that_there_is_not_is_named() -> None:
    source = Chain("nobody")
    with pytest.raises(Refused, match="nobody"):
        await source.now()
    await source.close()


async def test_no_key_shows_in_any_text() -> None:
    found = await key_source(Keys(access_key="AKIACANARY", secret_key=SecretStr("canary")), None).now()
    assert "canary" not in repr(found).lower()


async def test_keys_that_aws_does_not_take_are_read_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud, forgotten = Cloud(), []
    monkeypatch.setattr(cloud.training.client.keys, "forget", lambda: forgotten.append(1))
    await cloud.training.client.exchange(Call("ec2", "DescribeInstances"))
    assert forgotten == []
    cloud.arm("auth.failure", True)
    await cloud.training.client.exchange(Call("ec2", "DescribeInstances"))
    assert forgotten == [1]
