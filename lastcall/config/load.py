"""From all places to one ``Settings``: flag, environment, ``LASTCALL_CONFIG``, ``./config.toml``, user's file, default.

Each place is one layer; the origin of every value is kept, so that a wrong one can be named by file and key and
``config show --origin`` can tell. All problems are reported at once, one line each.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from actors.storage.access import Layout
from lastcall.config.fields import BY_KEY, FIELDS, SECTIONS
from lastcall.config.files import absolute, config_files, read_toml
from lastcall.config.problems import ConfigError, did_you_mean
from lastcall.config.settings import OWN_IMAGE, PROVIDERS, Settings
from lastcall.config.variables import names_of, read_environment
from lastcall.config.words import say
from providers.aws.regions import unusable_region

AVAILABLE_PROVIDERS = ("local", "runpod", "aws")
"""Providers that this build can rent from."""

REQUIRED: Mapping[str, tuple[str, ...]] = {
    "runpod": (
        "runpod.api_key",
        "runpod.network_volume_id",
        "runpod.storage_access_key",
        "runpod.storage_secret_key",
    ),
    "aws": ("aws.region", "aws.bucket"),
}
"""What a chosen provider cannot work without."""

UNREACHED: Mapping[tuple[str, str], str] = {
    ("local", "runpod"): "jobs on this computer read its own disk, not a network volume",
    ("local", "aws"): "jobs on this computer read its own disk, not a bucket",
    ("runpod", "local"): "pods do not reach this computer's disk, only their network volume",
    ("runpod", "aws"): "pods get no key to a bucket, only their network volume",
    ("aws", "local"): "instances do not reach this computer's disk, only their bucket",
    ("aws", "runpod"): "instances get no key to a network volume, only a role for their bucket",
}
"""Machines' provider and store → why the two do not go together. Each provider goes with its own store alone."""

DEFAULT = "default"
OTHERS_CAN_READ = 0o077


@dataclass
class Layer:
    """What one place says: dotted key → value, and dotted key → how to name its origin."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)

    def put(self, key: str, value: Any, origin: str) -> None:
        """Add one value."""
        self.values[key] = value
        self.origins[key] = origin


class Loaded(NamedTuple):
    """A configuration that holds, and where each value came from."""

    settings: Settings
    origins: Mapping[str, str]
    """Dotted key → flag, variable, file or ``default``; every setting is in it."""
    files: tuple[Path, ...]
    """The files that were read, the one that wins first."""
    warnings: tuple[str, ...]
    """What works and yet should be changed."""

    def shown(self) -> dict[str, dict[str, str | None]]:
        """Return every setting as ``{"value", "origin"}``; a secret that is set shows as stars, never as itself."""
        document = self.settings.model_dump(mode="json")
        result: dict[str, dict[str, str | None]] = {}
        for each in FIELDS:
            value = document[each.section][each.name] if each.section else document[each.name]
            result[each.key] = {"value": None if value is None else str(value), "origin": self.origins[each.key]}
        return result


def load(
    environ: Mapping[str, str],
    working_directory: Path,
    *,
    flags: Mapping[str, Any] | None = None,
    config: str | None = None,
    available: Collection[str] = AVAILABLE_PROVIDERS,
) -> Loaded:
    """Read, merge and check everything. ``flags`` is dotted key → value, ``config`` the file a flag names.

    Raises ConfigError (``E-CONFIG``, exit 78) with one line for each problem.
    """
    files = config_files(environ, working_directory, config)
    problems: list[str] = []
    warnings: list[str] = []
    layers = [_flag_layer(flags or {}), _environment_layer(environ, problems)]
    for path in files:
        try:
            document = read_toml(path)
        except ConfigError as error:
            problems += error.lines
            continue
        layer = _file_layer(document, str(path), problems)
        warnings += _careless(path, layer)
        layers.append(layer)
    merged, origins = _merge(layers)
    settings = _validate(merged, origins, problems)
    if settings is not None:
        problems += _prefixes(settings, origins)
        problems += _provider(settings, origins, available)
        settings = _absolute(settings, origins, files, working_directory, environ)
    if problems or settings is None:
        raise ConfigError(problems)
    return Loaded(settings, origins, tuple(files), tuple(warnings))


def _flag_layer(flags: Mapping[str, Any]) -> Layer:
    layer = Layer()
    for key, value in flags.items():
        layer.put(key, value, f"--{key.split('.')[-1].replace('_', '-')}")
    return layer


def _environment_layer(environ: Mapping[str, str], problems: list[str]) -> Layer:
    found, faults = read_environment(environ)
    problems += faults
    layer = Layer()
    for each in found:
        layer.put(each.field.key, each.value, each.variable)
    return layer


def _file_layer(document: Mapping[str, Any], origin: str, problems: list[str]) -> Layer:
    layer = Layer()
    for name, value in document.items():
        if name in SECTIONS and isinstance(value, dict):
            for key, inner in value.items():
                _accept(layer, f"{name}.{key}", inner, origin, problems)
        elif name in SECTIONS:
            problems.append(f"{origin}: {name} is a section and must be written as [{name}]")
        else:
            _accept(layer, name, value, origin, problems)
    return layer


def _accept(layer: Layer, key: str, value: Any, origin: str, problems: list[str]) -> None:
    if key in BY_KEY:
        layer.put(key, value, origin)
    else:
        kind = "section" if isinstance(value, dict) else "setting"
        known = list(SECTIONS) if kind == "section" else list(BY_KEY)
        problems.append(f"{origin}: unknown {kind} {key}{did_you_mean(key, known)}")


def _careless(path: Path, layer: Layer) -> list[str]:
    secrets = [key for key in layer.values if BY_KEY[key].secret]
    if not secrets or not path.stat().st_mode & OTHERS_CAN_READ:
        return []
    return [f"{path}: holds {secrets[0]} and others can read it; run: chmod 600 {path}"]


def _merge(layers: Sequence[Layer]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the nested values, the first layer winning, and the origin of every setting."""
    values: dict[str, Any] = {}
    origins = {each.key: DEFAULT for each in FIELDS}
    for layer in reversed(layers):
        for key, value in layer.values.items():
            section, _, name = key.rpartition(".")
            (values.setdefault(section, {}) if section else values)[name] = value
        origins.update(layer.origins)
    return values, origins


def _validate(values: Mapping[str, Any], origins: Mapping[str, str], problems: list[str]) -> Settings | None:
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        for fault in error.errors():
            key = ".".join(map(str, fault["loc"][:2]))
            problems.append(f"{origins.get(key, DEFAULT)}: {say(BY_KEY[key], fault)}")
    return None


def _prefixes(settings: Settings, origins: Mapping[str, str]) -> list[str]:
    """The store's own rule decides, so that what is accepted here also starts."""
    try:
        Layout(**settings.storage.prefixes)
    except ValueError as error:
        keys = [f"storage.{name}" for name in settings.storage.prefixes if origins[f"storage.{name}"] != DEFAULT]
        return [f"{origins[keys[0]]}: {keys[0]}: {error}"]
    return []


def _provider(settings: Settings, origins: Mapping[str, str], available: Collection[str]) -> list[str]:
    name, origin = settings.provider, origins["provider"]
    known = ", ".join(sorted(available))
    if name not in PROVIDERS and name not in available:
        return [f"{origin}: provider {name[:40]!r} is not known; known here: {known}{did_you_mean(name, PROVIDERS)}"]
    if name not in available:
        return [f"{origin}: provider {name!r} is not part of this build; known here: {known}"]
    problems = [
        f"{origin}: provider {name!r} needs {key}: set {variable} or {key.partition('.')[2]} in "
        f"[{key.partition('.')[0]}]"
        for key, variable in missing(settings, name).items()
    ]
    store = settings.storage.provider
    if store is not None and store != name:
        why = f"storage.provider {store!r} with provider {name!r}: {UNREACHED[name, store]}"
        problems.append(f"{origins['storage.provider']}: {why}")
    if name == "runpod" and settings.runpod.image == OWN_IMAGE and settings.runpod.docker_registry is None:
        problems.append(
            f"{origins['runpod.image']}: runpod.image own needs runpod.docker_registry, where it is published"
        )
    if name == "runpod" and settings.runpod.cloud_type == "COMMUNITY":
        problems.append(
            f"{origins['runpod.cloud_type']}: runpod.cloud_type COMMUNITY has no network volumes, and jobs keep their "
            "data on one; use SECURE"
        )
    if name == "aws" and settings.aws.region is not None and (wrong := unusable_region(settings.aws.region)):
        problems.append(f"{origins['aws.region']}: aws.region: {wrong}")
    if name == "aws" and (settings.aws.access_key_id is None) is not (settings.aws.secret_access_key is None):
        problems.append(f"{origin}: provider 'aws' needs aws.access_key_id and aws.secret_access_key together")
    return problems


def missing(settings: Settings, provider: str) -> dict[str, str]:
    """Return what ``provider`` cannot work without and is not set: dotted key → the variable that would set it."""
    return {
        key: names_of(BY_KEY[key])[-1]
        for key in REQUIRED.get(provider, ())
        if getattr(getattr(settings, key.partition(".")[0]), key.partition(".")[2]) is None
    }


def _absolute(
    settings: Settings,
    origins: Mapping[str, str],
    files: Sequence[Path],
    working_directory: Path,
    environ: Mapping[str, str],
) -> Settings:
    """Make ``state_dir`` absolute: seen from its file, or from the working directory."""
    if settings.state_dir is None:
        return settings
    base = next((path.parent for path in files if str(path) == origins["state_dir"]), working_directory)
    return settings.model_copy(update={"state_dir": absolute(str(settings.state_dir), base, environ)})
