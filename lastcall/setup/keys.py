"""The three secrets of RunPod: where they come from, and where they may be kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import SecretStr, ValidationError

from lastcall.config.fields import BY_KEY
from lastcall.config.settings import RunPod
from lastcall.config.variables import names_of
from lastcall.setup.steps import Person, Report, Step
from providers.runpod.settings import RunPodSettings

API_KEY: Final = "runpod.api_key"
ACCESS_KEY: Final = "runpod.storage_access_key"
SECRET_KEY: Final = "runpod.storage_secret_key"  # noqa: S105  (the name of a setting)
_WHERE: Final = "make S3 keys in RunPod's console, Settings, S3 API keys; no API can make them"
TRIES_MAX: Final = 3


class Keys:
    """The secrets of one run. Those that were typed are kept in the file only when the person agrees."""

    def __init__(self, told: RunPod, origins: Mapping[str, str], config: Path, person: Person) -> None:
        self._values = {
            API_KEY: told.api_key,
            ACCESS_KEY: told.storage_access_key,
            SECRET_KEY: told.storage_secret_key,
        }
        self._origins = origins
        self._config = config
        self._person = person
        self._typed: list[str] = []
        self._store: bool | None = None

    @property
    def api_key(self) -> SecretStr | None:
        """The key of the API."""
        return self._values[API_KEY]

    @property
    def access_key(self) -> SecretStr | None:
        """The access key of the volumes' S3 API."""
        return self._values[ACCESS_KEY]

    @property
    def secret_key(self) -> SecretStr | None:
        """The secret key of the volumes' S3 API."""
        return self._values[SECRET_KEY]

    def ask_api_key(self) -> bool:
        """Have the API key typed where it is not set; False without one."""
        return self._ask(API_KEY, "RunPod API key")

    def ask_storage_keys(self, settings: RunPodSettings, report: Report, *, dry_run: bool) -> bool:
        """Have the S3 keys typed where they are not set; tells why, and returns False, without them."""
        missing = [key for key in (ACCESS_KEY, SECRET_KEY) if self._values[key] is None]
        if missing and dry_run:
            report.tell(
                Step("storage", "planned", "would ask for the S3 keys, and write, read and delete a file", _WHERE)
            )
            return False
        if missing:
            self._person.waits(f"volume {settings.volume_id} needs S3 keys: {_WHERE}")
        if self._ask(ACCESS_KEY, "S3 access key (user_…)") and self._ask(SECRET_KEY, "S3 secret key (rps_…)"):
            return True
        names = " and ".join(names_of(BY_KEY[key])[-1] for key in missing)
        report.tell(Step("storage", "failed", "there are no S3 keys", f"{_WHERE}; then set {names}"))
        return False

    def choose(self, wish: bool | None) -> None:
        """Settle, once, whether keys go into the file: as wished, else as the person says of those just typed."""
        if self._store is not None:
            return
        if wish is None and self._typed:
            wish = self._person.agrees(f"Keep the keys in {self._config}, readable by you only?")
        self._store = bool(wish)

    @property
    def to_store(self) -> dict[str, str]:
        """What goes into the file: dotted key → secret."""
        if not self._store:
            return {}
        outside = [key for key in self._values if self._origins.get(key) != str(self._config)]
        return {key: value.get_secret_value() for key in outside if (value := self._values[key]) is not None}

    def still_to_set(self) -> str:
        """Return what is left to do so that the daemon finds the keys; never the keys themselves."""
        if self._store or not self._typed:
            return ""
        return f"set {', '.join(names_of(BY_KEY[key])[-1] for key in self._typed)} where lastcall daemon runs"

    def _ask(self, key: str, what: str) -> bool:
        for _ in range(TRIES_MAX):
            if self._values[key] is not None:
                return True
            text = self._person.secret(what)
            if text is None:
                return False
            self._values[key] = _checked(key, text.strip())
            if self._values[key] is not None:
                self._typed.append(key)
        return self._values[key] is not None


def _checked(key: str, text: str) -> SecretStr | None:
    """Return a typed secret as the configuration would take it, or ``None``."""
    field = key.partition(".")[2]
    try:
        found: SecretStr | None = getattr(RunPod.model_validate({field: text}), field)
    except ValidationError:
        return None
    return found
