"""The calls under /v2/pods (fact sheet 1.1)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from tests.emulators.runpod import podbody
from tests.emulators.runpod.auth import Caller
from tests.emulators.runpod.faults import FaultBox
from tests.emulators.runpod.hosts import Hosts
from tests.emulators.runpod.placement import CREATE, Placement
from tests.emulators.runpod.podstate import ACTIONS, Fate, Pod, Status
from tests.emulators.runpod.podview import PodView
from tests.emulators.runpod.problems import Problem, document, empty, invalid, not_found
from tests.emulators.runpod.settings import Settings
from tests.emulators.runpod.templates import Templates
from tests.emulators.runpod.volume import Volumes
from tests.emulators.runpod.wire import Request, Response

LIST_LIMIT_MAX = 1000
LIST = "pods.list"
REPEATED_CURSOR = "cDEuMA"
Body = Callable[[Request], Any]
"""Reads a request's JSON body. Raises Problem 400 or 413."""


class PodsApi:
    """Answers the calls about pods."""

    def __init__(
        self,
        settings: Settings,
        hosts: Hosts,
        placement: Placement,
        volumes: Volumes,
        templates: Templates,
        faults: FaultBox,
    ) -> None:
        self._settings = settings
        self._hosts = hosts
        self._placement = placement
        self._volumes = volumes
        self._templates = templates
        self._faults = faults
        self._view = PodView(settings.spec, faults)
        self._create_check = podbody.create(settings.spec)
        self._change_check = podbody.change(settings.spec)

    def own(self, pod_id: str, caller: Caller, now: float) -> Pod:
        """Return a pod of this account. Raises Problem 404."""
        pod = self._hosts.get(pod_id)
        if pod is None or pod.account != caller.account or pod.hidden_until > now:
            raise not_found("pod")
        return pod

    def create(self, body: Any, caller: Caller, now: float) -> Response:
        """Answer POST /v2/pods."""
        name = str(body.get("name", "")) if isinstance(body, dict) else ""
        if self._faults.hit("create.bad400", CREATE, now, name):
            raise Problem(400, "request could not be processed")
        failed = self._faults.hit("create.fail", CREATE, now, name)
        if failed:
            raise Problem(failed, "internal server error")
        podbody.require(self._create_check, body)
        whole = self._templates.expand(body, caller.account)
        podbody.check_crosswise(whole, has_template="templateId" in body)
        place = self._volume_place(whole, caller)
        registry = whole.get("registry")
        if registry and not self._templates.has_registry(registry, caller.account):
            raise not_found("registry")
        hardware, price = self._placement.find(whole, caller, place, now)
        config = podbody.config(whole)
        fate = self._fate(name, now)
        pod = self._hosts.create(caller.account, config, hardware, price, now, fate)
        for _ in range(self._faults.hit("name.dup", CREATE, now, name) or 0):
            self._hosts.create(caller.account, config, hardware, price, now, fate)
        return self._created(pod, now)

    def list_pods(self, request: Request, caller: Caller, now: float) -> Response:
        """Answer GET /v2/pods."""
        query = parse_qs(request.query, keep_blank_values=True)
        page, place = _cursor(query.get("cursor", [""])[0])
        if page > 1:
            self._delete_some(self._faults.hit("list.mid_delete", LIST, now) or 0, now)
        pods = self._listed(caller.account, now)
        if self._faults.hit("list.empty_once", LIST, now):
            pods = []
        if not self._settings.pages:
            return document(200, {"pods": [self._in_list(pod, now) for pod in pods]})
        limit = _limit(query)
        if page > 1 and self._faults.hit("list.mid_500", LIST, now):
            raise Problem(500, "internal server error")
        by_place = self._settings.cursors == "offset"
        rest = pods[place:] if by_place else [pod for pod in pods if pod.number > place]
        if self._faults.standing("list.drop_page", LIST, now) == page and self._faults.hit("list.drop_page", LIST, now):
            rest, page = rest[limit:], page + 1
        shown, more = rest[:limit], len(rest) > limit
        reached = len(pods) - len(rest) + limit if by_place else shown[-1].number if shown else place
        following = f"p{page + 1}.{reached}" if more else None
        if self._faults.hit("list.repeat_cursor", LIST, now):
            following, more = REPEATED_CURSOR, True
        pagination = {"nextCursor": following, "hasNextPage": more}
        return document(200, {"pods": [self._in_list(pod, now) for pod in shown], "pagination": pagination})

    def get(self, pod_id: str, caller: Caller, now: float) -> Response:
        """Answer GET /v2/pods/{id}."""
        pod = self.own(pod_id, caller, now)
        young = now < (pod.life.created_at or 0.0) + pod.fate.find_lag_s
        if young or self._faults.hit("get.404", "pods.get", now, pod.config.name):
            raise not_found("pod")
        return document(200, self._view.show(pod, "pods.get", now))

    def patch(self, pod_id: str, body: Any, caller: Caller, now: float) -> Response:
        """Answer PATCH /v2/pods/{id}."""
        pod = self.own(pod_id, caller, now)
        podbody.require(self._change_check, body)
        whole = self._templates.expand(body, caller.account)
        reset = any(name in whole for name in podbody.RESETS)
        self._hosts.change(pod, podbody.changed(pod.config, whole), now, reset=reset)
        return document(200, self._view.show(pod, "pods.patch", now))

    def action(self, pod_id: str, body: Mapping[str, Any], caller: Caller, now: float) -> Response:
        """Answer POST /v2/pods/{id}/action, its body checked already."""
        pod, word = self.own(pod_id, caller, now), body["action"]
        call = f"pods.action.{word}"
        if word not in ACTIONS[pod.status]:
            raise Problem(409, f"action '{word}' is not valid while the pod is {pod.status}")
        if word == "terminate":
            return self.end(pod_id, call, caller, now)
        if word == "stop":
            self._hosts.stop(pod, caller.who, call, now)
        elif word == "restart":
            self._hosts.restart(pod, now)
        else:
            self._placement.check_funds(pod.account, pod.price, now)
            if self._faults.hit("start.zero_gpus", call, now, pod.config.name):
                self._hosts.shrink(pod)
            self._hosts.start(pod, now)
        return document(200, self._view.show(pod, call, now))

    def end(self, pod_id: str, call: str, caller: Caller, now: float) -> Response:
        """Terminate a pod by whichever call. Raises Problem."""
        pod = self.own(pod_id, caller, now)
        name = pod.config.name
        failed = self._faults.hit("delete.fail_for", call, now, name)
        if failed:
            raise Problem(failed, "internal server error")
        if self._faults.hit("delete.404_then_visible", call, now, name):
            raise not_found("pod")
        hidden = self._faults.hit("pod.resurrect", call, now, name)
        if hidden:
            pod.hidden_until = now + hidden
        elif not self._faults.hit("delete.ack_ignored", call, now, name):
            self._hosts.terminate(pod, caller.who, call, now)
        return empty()

    def _volume_place(self, body: Mapping[str, Any], caller: Caller) -> str | None:
        network = body.get("mounts", {}).get("network")
        if not network:
            return None
        volume = self._volumes.get(network[0]["volumeId"])
        if volume is None or volume.account != caller.account:
            raise not_found("network volume")
        return volume.data_center

    def _fate(self, name: str, now: float) -> Fate:
        def hit(fault: str) -> Any:
            return self._faults.hit(fault, CREATE, now, name)

        return Fate(
            late_s=hit("create.materialise_after") or 0.0,
            list_lag_s=hit("list.lag") or 0.0,
            find_lag_s=hit("get.404_for") or 0.0,
            stuck=bool(hit("pod.stuck_provisioning")),
            pull_fail=hit("pod.pull_fail"),
            zombie=bool(hit("pod.zombie_host")),
            broken=bool(hit("pod.error")),
        )

    def _created(self, pod: Pod, now: float) -> Response:
        lost = self._faults.hit("create.accept_then", CREATE, now, pod.config.name)
        if lost is None and pod.fate.late_s:
            lost = "500"
        shown = json.dumps(self._view.show(pod, CREATE, now)).encode()
        headers = {"content-type": "application/json"}
        if lost == "500":
            return Problem(500, "internal server error").response()
        if lost == "502":
            return Response(502, {"content-type": "text/html"}, b"<html><body>502 Bad Gateway</body></html>")
        if lost == "garbage":
            return Response(201, headers, b"\x00\xff" + shown[: len(shown) // 2])
        ways: dict[str | None, Any] = {"timeout": "hang", "reset": "reset"}
        return Response(201, headers, shown, lost=ways.get(lost))

    def _delete_some(self, count: int, now: float) -> None:
        """End the oldest pods of somebody else."""
        for pod in [pod for pod in self._hosts.pods() if pod.fate.foreign][:count]:
            self._hosts.terminate(pod, "platform", "somebody else", now)

    def _listed(self, account: str, now: float) -> list[Pod]:
        def shown(pod: Pod) -> bool:
            return (pod.life.visible_at or 0.0) <= now and pod.hidden_until <= now

        pods = [pod for pod in self._hosts.pods(account) if shown(pod)]
        ghosts = self._faults.hit("list.ghosts", LIST, now)
        if ghosts:
            pods += [
                pod
                for pod in self._hosts.ghosts
                if pod.account == account and now - (pod.life.ended_at or 0.0) < ghosts and shown(pod)
            ]
            pods.sort(key=lambda pod: pod.number)
        return pods

    def _in_list(self, pod: Pod, now: float) -> dict[str, Any]:
        shown = self._view.show(pod, LIST, now)
        if pod.status is Status.TERMINATED:
            before = pod.statuses[-2][1] if len(pod.statuses) > 1 else Status.RUNNING
            shown |= {"status": before.value, "actions": list(ACTIONS[before])}
        if self._faults.hit("list.strip_env", LIST, now, pod.config.name):
            shown["env"] = {}
        return shown


def _limit(query: Mapping[str, list[str]]) -> int:
    text = query.get("limit", [str(LIST_LIMIT_MAX)])[0]
    if not text.isdecimal() or not 1 <= int(text) <= LIST_LIMIT_MAX:
        raise invalid([f"limit: want an integer from 1 to {LIST_LIMIT_MAX}"])
    return int(text)


def _cursor(text: str) -> tuple[int, int]:
    """Return the number of the page, and what is before it: so many pods, or pods up to this number."""
    if not text or text == REPEATED_CURSOR:
        return 1, 0
    page, _, number = text.removeprefix("p").partition(".")
    if not text.startswith("p") or not page.isdecimal() or not number.isdecimal():
        raise Problem(400, "invalid cursor")
    return int(page), int(number)
