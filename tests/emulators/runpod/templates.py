"""Templates and registry credentials: /v2/templates and /v2/registries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.emulators.runpod import podbody
from tests.emulators.runpod.auth import Caller
from tests.emulators.runpod.problems import Problem, document, empty, not_found
from tests.emulators.runpod.settings import Dialect
from tests.emulators.runpod.validate import array, boolean, record, string
from tests.emulators.runpod.wire import Response

_MOUNTS = record({"persistent": podbody.PERSISTENT_MOUNT})
REGISTRY = record(
    {name: string(min_length=1) for name in ("name", "username", "password")}, ("name", "username", "password")
)
DEFAULTS: dict[str, Any] = {
    "args": "",
    "disk": 50,
    "env": {},
    "ports": [],
    "registry": None,
    "mounts": {},
    "serverless": False,
    "public": False,
    "category": "NVIDIA",
    "startSsh": True,
    "startJupyter": True,
    "allowedCudaVersions": [],
}
INTO_PODS = ("image", "args", "cmd", "entrypoint", "disk", "env", "ports", "registry", "mounts")


class Templates:
    """The templates and registries of every account."""

    def __init__(self, spec: Dialect, new_id: Callable[[int], str]) -> None:
        self._new_id = new_id
        self._templates: dict[str, tuple[str, dict[str, Any]]] = {}
        self._registries: dict[str, tuple[str, dict[str, Any]]] = {}
        fields = {
            **podbody.container(spec),
            "name": string(min_length=1),
            "allowedCudaVersions": array(podbody.CUDA),
            "category": string(one_of=("CPU", "NVIDIA", "AMD")),
            "mounts": _MOUNTS,
            "public": boolean,
            "serverless": boolean,
            "startJupyter": boolean,
            "startSsh": boolean,
        }
        self._create = record(fields, ("name", "image"))
        self._change = record(fields)

    def expand(self, body: Mapping[str, Any], account: str, *, serverless: bool = False) -> dict[str, Any]:
        """Return a body with its template worked in: the body wins, ``env`` key by key.

        Raises Problem: 404 unknown, 422 a template of the other kind.
        """
        whole = {name: value for name, value in body.items() if name != "templateId"}
        if not body.get("templateId"):
            return whole
        template = self._find(self._templates, body["templateId"], account, "template")
        if template["serverless"] is not serverless:
            raise Problem(422, "Request validation failed.", ["$.templateId: template of another kind"])
        base = {name: template[name] for name in INTO_PODS if template.get(name)}
        return {**base, **whole, "env": {**template["env"], **whole.get("env", {})}}

    def has_registry(self, registry_id: str, account: str) -> bool:
        """Return whether an account holds a credential."""
        return self._registries.get(registry_id, ("", {}))[0] == account

    # Routes.

    def list(self, caller: Caller) -> Response:
        """Answer GET /v2/templates."""
        return document(200, {"templates": [one for owner, one in self._templates.values() if owner == caller.account]})

    def create(self, body: Any, caller: Caller) -> Response:
        """Answer POST /v2/templates."""
        podbody.require(self._create, body)
        if any(one["name"] == body["name"] for owner, one in self._templates.values() if owner == caller.account):
            raise Problem(400, "template name is taken")
        template = {"id": self._new_id(10), **DEFAULTS, **body}
        self._templates[template["id"]] = (caller.account, template)
        return document(201, template)

    def get(self, template_id: str, caller: Caller) -> Response:
        """Answer GET /v2/templates/{id}."""
        return document(200, self._find(self._templates, template_id, caller.account, "template"))

    def patch(self, template_id: str, body: Any, caller: Caller) -> Response:
        """Answer PATCH /v2/templates/{id}."""
        template = self._find(self._templates, template_id, caller.account, "template")
        podbody.require(self._change, body)
        template.update(body)
        return document(200, template)

    def delete(self, template_id: str, caller: Caller) -> Response:
        """Answer DELETE /v2/templates/{id}."""
        self._find(self._templates, template_id, caller.account, "template")
        del self._templates[template_id]
        return empty()

    def list_registries(self, caller: Caller) -> Response:
        """Answer GET /v2/registries."""
        held = [one for owner, one in self._registries.values() if owner == caller.account]
        return document(200, {"registries": held})

    def create_registry(self, body: Any, caller: Caller) -> Response:
        """Answer POST /v2/registries; user and password never come back."""
        podbody.require(REGISTRY, body)
        registry = {"id": self._new_id(10), "name": body["name"]}
        self._registries[registry["id"]] = (caller.account, registry)
        return document(201, registry)

    def get_registry(self, registry_id: str, caller: Caller) -> Response:
        """Answer GET /v2/registries/{id}."""
        return document(200, self._find(self._registries, registry_id, caller.account, "registry"))

    def delete_registry(self, registry_id: str, caller: Caller) -> Response:
        """Answer DELETE /v2/registries/{id}."""
        self._find(self._registries, registry_id, caller.account, "registry")
        del self._registries[registry_id]
        return empty()

    @staticmethod
    def _find(held: Mapping[str, tuple[str, dict[str, Any]]], one_id: str, account: str, what: str) -> dict[str, Any]:
        owner, found = held.get(one_id, ("", {}))
        if owner != account:
            raise not_found(what)
        return found
