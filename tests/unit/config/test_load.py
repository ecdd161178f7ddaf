from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from decimal import Decimal
from pathlib import Path

import pytest

from lastcall.config.fields import FIELDS
from lastcall.config.load import AVAILABLE_PROVIDERS, Loaded, load
from lastcall.config.problems import ConfigError
from lastcall.config.settings import Settings
from messages.errors import EXIT_CONFIG, error

Loader = Callable[..., Loaded]
ALL = ("local", "runpod", "aws")


def lines(loaded: Loader, *arguments: object, **more: object) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        loaded(*arguments, **more)
    assert caught.value.code == "E-CONFIG"
    assert error(caught.value.code).exit == EXIT_CONFIG
    return caught.value.lines


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_the_defaults_are_the_promised_ones(loaded: Loader) -> None:
    settings = loaded().settings
    assert settings.provider == "local"
    assert settings.limits.max_runtime_s == 7200
    assert settings.limits.max_machines == 4
    assert settings.training.max_cost_usd == Decimal(10)
    assert settings.predictions.max_cost_usd == Decimal(1)
    assert settings.budgets.zone is UTC
    assert settings.budgets.per_day_usd is None
    assert settings.budgets.warning_share == Decimal("0.8")


def test_places_win_in_the_written_order(loaded: Loader, home: Path, work: Path, tmp_path: Path) -> None:
    user = write(home / ".config/lastcall/config.toml", "[limits]\nmax_machines = 11\n")
    assert loaded().settings.limits.max_machines == 11
    project = write(work / "config.toml", "[limits]\nmax_machines = 12\n")
    assert loaded().settings.limits.max_machines == 12
    chosen = write(tmp_path / "chosen.toml", "[limits]\nmax_machines = 13\n")
    environ = {"LASTCALL_CONFIG": str(chosen)}
    assert loaded(environ).settings.limits.max_machines == 13
    environ["LASTCALL_LIMITS_MAX_MACHINES"] = "14"
    assert loaded(environ).settings.limits.max_machines == 14
    result = loaded(environ, flags={"limits.max_machines": 15})
    assert result.settings.limits.max_machines == 15
    assert result.origins["limits.max_machines"] == "--max-machines"
    assert result.files == (chosen, project, user)


def test_layers_add_up_key_by_key(loaded: Loader, home: Path, work: Path) -> None:
    write(home / ".config/lastcall/config.toml", "[limits]\nmax_machines = 2\nmax_machines_per_user = 2\n")
    project = write(work / "config.toml", "[limits]\nmax_machines = 3\n")
    result = loaded({"RUNPOD_MAX_TRAINING_COST": "4"})
    assert result.settings.limits.max_machines == 3
    assert result.settings.limits.max_machines_per_user == 2
    assert result.origins["limits.max_machines"] == str(project)
    assert result.origins["limits.max_runtime_s"] == "default"


def test_a_file_named_by_flag_wins_over_the_variable(loaded: Loader, tmp_path: Path) -> None:
    write(tmp_path / "a.toml", "[limits]\nmax_machines = 5\n")
    write(tmp_path / "b.toml", "[limits]\nmax_machines = 6\n")
    result = loaded({"LASTCALL_CONFIG": str(tmp_path / "b.toml")}, config=str(tmp_path / "a.toml"))
    assert result.settings.limits.max_machines == 5


def test_the_user_file_follows_xdg(loaded: Loader, tmp_path: Path) -> None:
    write(tmp_path / "xdg/lastcall/config.toml", "[limits]\nmax_machines = 9\n")
    assert loaded({"XDG_CONFIG_HOME": str(tmp_path / "xdg")}).settings.limits.max_machines == 9
    assert loaded({"XDG_CONFIG_HOME": "relative"}).settings.limits.max_machines == 4


def test_a_chosen_file_that_is_missing_is_one_line(loaded: Loader, work: Path) -> None:
    assert lines(loaded, {"LASTCALL_CONFIG": "gone.toml"}) == (f"LASTCALL_CONFIG: there is no file {work}/gone.toml",)
    assert lines(loaded, config="~/gone.toml")[0].startswith("--config: there is no file ")


WRONG = [
    ("[limits]\nmax_machines = 0", "limits.max_machines must be at least 1, not 0"),
    ("[limits]\nmax_machines = true", "limits.max_machines must be a number"),
    ("[limits]\nmax_machines = 'many'", "limits.max_machines must be a whole number, not 'many'"),
    ("[limits]\nmax_runtime_s = 1.5", "limits.max_runtime_s must be a whole number, not 1.5"),
    ("[limits]\nmax_runtime_s = 99999999", "limits.max_runtime_s must be at most 2592000, not 99999999"),
    ("[training]\nmax_cost_usd = 0", "training.max_cost_usd must be more than 0, not 0"),
    ("[training]\nmax_cost_usd = 'ten'", "training.max_cost_usd must be a number, not 'ten'"),
    (
        "[training]\nmax_cost_usd = '0.0000001'",
        "training.max_cost_usd has more decimals than money has: at most 6, not '0.0000001'",
    ),
    ("[local]\nprice_usd_per_second = -1", "local.price_usd_per_second must be at least 0, not -1"),
    ("[runpod]\ncloud_type = 'ALL'", "runpod.cloud_type must be COMMUNITY or SECURE, not 'ALL'"),
    ("[runpod]\nnetwork_volume_id = 5", "runpod.network_volume_id must be a text in quotes, not 5"),
    ("[runpod]\napi_key = ''", "runpod.api_key must be a text that is not empty"),
    ("[runpod]\napi_key = 'rpa_canary with spaces'", "runpod.api_key must not have spaces or line breaks in it"),
    (
        "[runpod]\ndefault_gpu_type = 'NVIDIA RTX A40'",
        "runpod.default_gpu_type 'NVIDIA RTX A40' does not exist; the right name is 'NVIDIA A40'",
    ),
    (
        "[runpod]\ns3_endpoint = 'https://storage.runpod.io'",
        "runpod.s3_endpoint storage.runpod.io does not exist; "
        "each data centre has its own, https://s3api-<dc>.runpod.io",
    ),
    (
        "[runpod]\ns3_endpoint = 's3api'",
        "runpod.s3_endpoint must be a URL such as https://s3api-eu-ro-1.runpod.io",
    ),
    ("[aws]\nregion = 'Frankfurt'", "aws.region must look like ^[a-z]{2}(-[a-z]+)+-[0-9]$, not 'Frankfurt'"),
    (
        "[telegram]\nbot_token = '12:canary'",
        "telegram.bot_token is not a bot token (digits, a colon, then at least 30 letters, digits, _ or -)",
    ),
    (
        "[budgets]\ntimezone = 'Mars/Olympus'",
        "budgets.timezone must be a time zone such as UTC or Europe/Berlin, not 'Mars/Olympus'",
    ),
    ("[budgets]\nwarning_share = 0", "budgets.warning_share must be more than 0, not 0"),
    ("[budgets]\nwarning_share = 1.01", "budgets.warning_share must be at most 1, not 1.01"),
    ("[budgets]\nwarning_share = true", "budgets.warning_share must be a number"),
    (
        "[storage]\nmodels = '../x'",
        "storage.models must be one to four plain names with / between them, not '../x'",
    ),
    ("[storage]\nprovider = 'gcp'", "storage.provider must be local or runpod or aws, not 'gcp'"),
    ("[storage]\nmodels = 'datasets/x'", "storage.models: storage prefix 'datasets' overlaps another one"),
    ("[logging]\nlevel = 'loud'", "logging.level must be debug or info or warning or error, not 'loud'"),
    ("state_dir = ''", "state_dir must not be empty"),
    ("host = ''", "host must be a text in quotes, not ''"),
    ("limits = 3", "limits is a section and must be written as [limits]"),
    ("[limits]\nmax_machine = 3", "unknown setting limits.max_machine; did you mean limits.max_machines?"),
    ("colour = 'blue'", "unknown setting colour"),
    ("[limit]\nmax_machines = 3", "unknown section limit; did you mean limits?"),
    ("provider = 'gcp'", "provider 'gcp' is not known; known here: aws, local, runpod"),
    ("provider = 'locale'", "provider 'locale' is not known; known here: aws, local, runpod; did you mean local?"),
    (
        "[runpod]\napi_url = 'ftp://x'",
        "runpod.api_url must be a URL such as https://api.runpod.io/v2",
    ),
    (
        "[runpod]\ngraphql_url = 'http://api.runpod.io/graphql'",
        "runpod.graphql_url must begin with https:// (http:// is possible on this computer only)",
    ),
    (
        "[runpod]\ndata_center = 'us-west'",
        "runpod.data_center 'us-west' is not a data centre; they are called like EU-RO-1 or US-CA-2",
    ),
    ("[runpod]\nimage_digest = 'abc'", "runpod.image_digest must be sha256: and 64 hexadecimal digits"),
    ("[runpod]\nmount_path = '/a/../b'", "runpod.mount_path must be an absolute path such as /workspace"),
    (
        "[runpod]\nimage = 'python@sha256:0'",
        "runpod.image must be an image name such as python:3.12-slim; its digest stands in image_digest",
    ),
]


@pytest.mark.parametrize(("text", "expected"), WRONG)
def test_a_wrong_value_is_one_line_with_file_and_key(loaded: Loader, work: Path, text: str, expected: str) -> None:
    write(work / "config.toml", text)
    assert lines(loaded) == (f"{work}/config.toml: {expected}",)


def test_a_secret_is_never_part_of_an_error(loaded: Loader, work: Path) -> None:
    write(work / "config.toml", "[runpod]\napi_key = 'canary value'\n[telegram]\nbot_token = 'canary'\n")
    with pytest.raises(ConfigError) as caught:
        loaded()
    assert "canary" not in str(caught.value) + repr(caught.value) + repr(caught.value.args)


def test_a_long_wrong_value_is_cut(loaded: Loader) -> None:
    (line,) = lines(loaded, {"LASTCALL_LIMITS_MAX_MACHINES": "9" * 500 + "x"})
    assert len(line) < 200


def test_all_problems_are_told_at_once(loaded: Loader, home: Path, work: Path) -> None:
    write(work / "config.toml", "colour = 1\n[limits]\nmax_machines = 0\n")
    write(home / ".config/lastcall/config.toml", "[broken\n")
    found = lines(loaded, {"RUNPOD_CLOUD_TYPE": "x", "LASTCALL_NOTHING_HERE": "1"})
    assert len(found) == 5


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"[limits\n", "not valid TOML: "),
        (b"a = 1\na = 2\n", "not valid TOML: "),
        (b"\xff\xfe\x00", "not valid TOML: the file is not UTF-8 text"),
        (b"#" * ((1 << 20) + 1), "larger than 1,048,576 bytes, so not a configuration"),
    ],
)
def test_a_file_that_is_no_toml_is_one_line(loaded: Loader, work: Path, content: bytes, expected: str) -> None:
    (work / "config.toml").write_bytes(content)
    (line,) = lines(loaded)
    assert line.startswith(f"{work}/config.toml: {expected}")
    assert "\n" not in line


def test_a_directory_in_place_of_the_chosen_file_is_one_line(loaded: Loader, work: Path) -> None:
    assert lines(loaded, {"LASTCALL_CONFIG": "."})[0] == f"{work}: cannot be read: Is a directory"


@pytest.mark.parametrize(
    ("provider", "needs"),
    [
        (
            "runpod",
            ["RUNPOD_API_KEY", "RUNPOD_NETWORK_VOLUME_ID", "RUNPOD_STORAGE_ACCESS_KEY", "RUNPOD_STORAGE_SECRET_KEY"],
        ),
        ("aws", ["AWS_REGION", "LASTCALL_AWS_BUCKET"]),
    ],
)
def test_a_missing_key_of_the_chosen_provider_is_one_line_each(loaded: Loader, provider: str, needs: list[str]) -> None:
    found = lines(loaded, {"CLOUD_PROVIDER": provider}, available=ALL)
    assert len(found) == len(needs)
    for line, name in zip(found, needs, strict=True):
        assert line.startswith(f"CLOUD_PROVIDER: provider '{provider}' needs ")
        assert name.removeprefix("AWS_REGION") in line


def test_a_provider_with_all_its_keys_is_accepted(loaded: Loader) -> None:
    environ = {
        "CLOUD_PROVIDER": "runpod",
        "RUNPOD_API_KEY": "rpa_1",
        "RUNPOD_NETWORK_VOLUME_ID": "v",
        "RUNPOD_STORAGE_ACCESS_KEY": "a",
        "RUNPOD_STORAGE_SECRET_KEY": "s",
    }
    assert loaded(environ, available=ALL).settings.secrets() == ("rpa_1", "a", "s")


def test_a_provider_that_is_not_built_is_said_with_those_that_are(loaded: Loader) -> None:
    (line,) = lines(loaded, {"CLOUD_PROVIDER": "aws"}, available=("local",))
    assert line == "CLOUD_PROVIDER: provider 'aws' is not part of this build; known here: local"


KEYS = {
    "LASTCALL_AWS_BUCKET": "abc",
    "AWS_REGION": "eu-west-1",
    "RUNPOD_API_KEY": "rpa_1",
    "RUNPOD_NETWORK_VOLUME_ID": "v",
    "RUNPOD_STORAGE_ACCESS_KEY": "a",
    "RUNPOD_STORAGE_SECRET_KEY": "s",
}


@pytest.mark.parametrize(
    ("machines", "store", "why"),
    [
        ("local", "runpod", "jobs on this computer read its own disk, not a network volume"),
        ("local", "aws", "jobs on this computer read its own disk, not a bucket"),
        ("runpod", "local", "pods do not reach this computer's disk, only their network volume"),
        ("runpod", "aws", "pods get no key to a bucket, only their network volume"),
        ("aws", "local", "instances do not reach this computer's disk, only their bucket"),
        ("aws", "runpod", "instances get no key to a network volume, only a role for their bucket"),
    ],
)
def test_machines_that_do_not_reach_a_store_are_refused_with_it(
    loaded: Loader, machines: str, store: str, why: str
) -> None:
    (line,) = lines(loaded, {**KEYS, "CLOUD_PROVIDER": machines, "LASTCALL_STORAGE_PROVIDER": store}, available=ALL)
    assert line == f"LASTCALL_STORAGE_PROVIDER: storage.provider {store!r} with provider {machines!r}: {why}"


@pytest.mark.parametrize("provider", ALL)
def test_every_provider_goes_with_its_own_store_said_or_not(loaded: Loader, provider: str) -> None:
    told = {**KEYS, "CLOUD_PROVIDER": provider}
    assert loaded(told, available=ALL).settings.storage.provider is None
    said = loaded({**told, "LASTCALL_STORAGE_PROVIDER": provider.upper()}, available=ALL).settings
    assert said.storage.provider == provider
    assert said.storage.prefixes == {name: name for name in ("datasets", "models", "predictions", "jobs")}


def test_half_an_aws_key_is_refused(loaded: Loader) -> None:
    environ = {"CLOUD_PROVIDER": "aws", "AWS_REGION": "eu-west-1", "LASTCALL_AWS_BUCKET": "abc"}
    assert loaded(environ, available=ALL)
    (line,) = lines(loaded, {**environ, "AWS_ACCESS_KEY_ID": "AKIAX"}, available=ALL)
    assert line == "CLOUD_PROVIDER: provider 'aws' needs aws.access_key_id and aws.secret_access_key together"


def test_older_spellings_that_mean_something_are_corrected(loaded: Loader) -> None:
    environ = {"RUNPOD_CLOUD_TYPE": "community", "RUNPOD_DATA_PREFIX": "sets/", "CLOUD_PROVIDER": "Local"}
    settings = loaded({**environ, "RUNPOD_STORAGE_ENDPOINT": "https://s3api-eu-ro-1.runpod.io/"}).settings
    assert settings.runpod.cloud_type == "COMMUNITY"
    assert settings.storage.datasets == "sets"
    assert settings.runpod.s3_endpoint == "https://s3api-eu-ro-1.runpod.io"


@pytest.mark.parametrize("maker", ["", "NVIDIA "])
@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("RTX A40", "NVIDIA A40"),
        ("A100 PCIe 40GB", "NVIDIA A100 80GB PCIe"),
        ("A100 PCIe 80GB", "NVIDIA A100 80GB PCIe"),
    ],
)
def test_a_gpu_that_runpod_never_had_is_refused_with_the_one_it_has(
    loaded: Loader, maker: str, wrong: str, right: str
) -> None:
    (line,) = lines(loaded, {"RUNPOD_DEFAULT_GPU_TYPE": f"{maker}{wrong}"})
    assert line.endswith(f"{maker}{wrong}' does not exist; the right name is '{right}'")
    assert loaded({"RUNPOD_DEFAULT_GPU_TYPE": right}).settings.runpod.default_gpu_type == right


def test_a_zone_is_kept_as_a_zone(loaded: Loader) -> None:
    zone = loaded({"LASTCALL_BUDGETS_TIMEZONE": "America/Sao_Paulo"}).settings.budgets.zone
    assert str(zone) == "America/Sao_Paulo"


def test_a_secret_in_a_file_that_others_can_read_is_warned_of(loaded: Loader, work: Path) -> None:
    path = write(work / "config.toml", "[runpod]\napi_key = 'rpa_canary'\n")
    assert loaded().warnings == ()
    path.chmod(0o644)
    (warning,) = loaded().warnings
    assert warning == f"{path}: holds runpod.api_key and others can read it; run: chmod 600 {path}"


def test_what_is_shown_has_every_setting_and_no_secret(loaded: Loader) -> None:
    shown = loaded({"RUNPOD_API_KEY": "rpa_canary"}).shown()
    assert list(shown) == [field.key for field in FIELDS]
    assert shown["runpod.api_key"] == {"value": "**********", "origin": "RUNPOD_API_KEY"}
    assert shown["training.max_cost_usd"] == {"value": "10", "origin": "default"}
    assert shown["budgets.total_usd"] == {"value": None, "origin": "default"}


def test_the_digest_names_the_settings_and_not_the_secrets(loaded: Loader) -> None:
    plain = loaded().settings.digest()
    assert plain == Settings().digest()
    assert loaded({"LASTCALL_LIMITS_MAX_MACHINES": "5"}).settings.digest() != plain
    one = loaded({"RUNPOD_API_KEY": "one"}).settings
    other = loaded({"RUNPOD_API_KEY": "other"}).settings
    assert one.digest() == other.digest()


def test_a_relative_state_directory_is_seen_from_where_it_is_written(loaded: Loader, work: Path, home: Path) -> None:
    write(home / ".config/lastcall/config.toml", "state_dir = 'state'\n")
    assert loaded().settings.state_dir == home / ".config/lastcall/state"
    assert loaded({"LASTCALL_STATE_DIR": "here"}).settings.state_dir == work / "here"
    assert loaded({"LASTCALL_STATE_DIR": "~/there"}).settings.state_dir == home / "there"


def test_this_build_rents_from_this_computer_from_runpod_and_from_aws() -> None:
    assert AVAILABLE_PROVIDERS == ("local", "runpod", "aws")


def test_community_machines_are_refused_because_they_have_no_volumes(loaded: Loader) -> None:
    keys = ("RUNPOD_API_KEY", "RUNPOD_NETWORK_VOLUME_ID", "RUNPOD_STORAGE_ACCESS_KEY", "RUNPOD_STORAGE_SECRET_KEY")
    variables = {**dict.fromkeys(keys, "abcd"), "CLOUD_PROVIDER": "runpod", "RUNPOD_CLOUD_TYPE": "community"}
    with pytest.raises(ConfigError) as caught:
        loaded(variables)
    (line,) = caught.value.lines
    assert line.startswith("RUNPOD_CLOUD_TYPE: runpod.cloud_type COMMUNITY has no network volumes")
    assert loaded({**variables, "RUNPOD_CLOUD_TYPE": "SECURE"}).settings.provider == "runpod"


def test_a_data_centre_is_written_as_runpod_writes_it(loaded: Loader, work: Path) -> None:
    write(work / "config.toml", "[runpod]\ndata_center = 'eu-ro-1'")
    assert loaded().settings.runpod.data_center == "EU-RO-1"


def test_settings_cannot_be_changed_after_loading(tmp_path: Path) -> None:
    settings = load({"HOME": str(tmp_path)}, tmp_path).settings
    with pytest.raises(ValueError, match="frozen"):
        settings.provider = "aws"  # type: ignore[misc]


def test_our_own_image_needs_a_registry_where_it_is_published(loaded: Loader) -> None:
    keys = ("RUNPOD_API_KEY", "RUNPOD_NETWORK_VOLUME_ID", "RUNPOD_STORAGE_ACCESS_KEY", "RUNPOD_STORAGE_SECRET_KEY")
    variables = {**dict.fromkeys(keys, "abcd"), "CLOUD_PROVIDER": "runpod", "LASTCALL_RUNPOD_IMAGE": "own"}
    with pytest.raises(ConfigError) as caught:
        loaded(variables)
    assert caught.value.lines == (
        "LASTCALL_RUNPOD_IMAGE: runpod.image own needs runpod.docker_registry, where it is published",
    )
    assert loaded({**variables, "RUNPOD_DOCKER_REGISTRY": "ana"}).settings.runpod.image == "own"
