"""One pod: made by one call, read, ended by three routes in turn."""

from __future__ import annotations

from typing import Final

from messages.machines import LaunchRequest
from providers.gate import NotAdmitted, Priority
from providers.interface import (
    CREATE_WAIT_S_MAX,
    Ambiguous,
    Denied,
    EndAnswer,
    HeldBack,
    NoCapacity,
    NotFound,
    Refused,
    Unavailable,
)
from providers.runpod.client import PATIENCE_S, Call, Client, Reply, path_of
from providers.runpod.codec import Pod, read_pod
from providers.runpod.creating import create_body
from providers.runpod.problems import Unreadable, error_of
from providers.transport import NotSent, TransportError

CREATE_S: Final = 60.0
"""A create answers after the pod is placed (fact sheet 7.2)."""
CREATE_PRIORITY: Final = Priority.REST
TERMINATE_S: Final = 20.0
"""One route's whole time: a route that hangs must leave time for the next within the minute (design.md 9)."""
ROUTES_MAX: Final = 4_096
"""Pods whose next route is remembered."""

_NO_CAPACITY: Final = 400
"""No code tells it from a wrong request (fact sheet 0)."""
_DENIED: Final = 403
"""This GPU is not for this account, or no GPU is: the next offer shows which (fact sheet 7.3)."""
_STOP: Final = frozenset({401, 402, 404, 413, 422})
_END = "mutation EndPod($input: PodTerminateInput!) { podTerminate(input: $input) }"


async def create(client: Client, request: LaunchRequest, leaves_within_s: float = CREATE_WAIT_S_MAX) -> Pod:
    """Post one create and return the pod.

    Raises NoCapacity, Refused, HeldBack when it never left this computer, or Ambiguous on anything but a clean answer.
    A 429 is Ambiguous too although nothing was made: the caller then waits the quiet time and tries the same offer
    again. NoCapacity and Refused would burn every offer of the plan in a second and close the job.
    """
    call = Call(
        "POST",
        "/pods",
        CREATE_PRIORITY,
        body=create_body(request, client.settings),
        total_s=CREATE_S,
        read_s=CREATE_S,
        leaves_within_s=min(CREATE_WAIT_S_MAX, leaves_within_s),
    )
    try:
        reply = await client.exchange(call)
    except NotAdmitted as held:
        raise HeldBack(f"RunPod was not asked for a pod yet: {held}", held.wait_s) from None
    except NotSent as error:
        raise HeldBack(f"RunPod was not asked for a pod yet: {error}") from error
    except TransportError as error:
        raise Ambiguous(f"RunPod did not answer the create: {error}") from error
    return _created(reply, request)


async def describe(client: Client, pod_id: str, patience_s: float = PATIENCE_S) -> Pod:
    """Return one pod as it is now. Raises NotFound or Unavailable."""
    call = Call("GET", path_of("pods", pod_id), Priority.PROOF, patience_s=patience_s)
    try:
        found = read_pod(await client.read(call, "for a pod"))
    except Refused as error:
        raise Unavailable(str(error)) from error
    if found is None or found.id != pod_id:
        raise Unavailable("RunPod's answer about a pod could not be read")
    return found


class Ender:
    """Ends pods. Every call for a pod takes the next route, so that a broken one is left behind (fault 5)."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._calls: dict[str, int] = {}

    async def terminate(self, pod_id: str) -> EndAnswer:
        """Ask for the end of a pod by one route; "not found" is an answer too. Raises Unavailable or Refused."""
        routes = (self._delete, self._action, self._graphql)
        number = self._calls.pop(pod_id, 0)
        self._calls[pod_id] = number + 1
        while len(self._calls) > ROUTES_MAX:
            del self._calls[next(iter(self._calls))]
        return await routes[number % len(routes)](pod_id)

    def forget(self, pod_id: str) -> None:
        """Drop what is remembered of a pod that is gone."""
        self._calls.pop(pod_id, None)

    async def _delete(self, pod_id: str) -> EndAnswer:
        return await self._rest(Call("DELETE", path_of("pods", pod_id), Priority.TERMINATE, total_s=TERMINATE_S))

    async def _action(self, pod_id: str) -> EndAnswer:
        body = {"action": "terminate"}
        call = Call("POST", path_of("pods", pod_id, "action"), Priority.TERMINATE, body, total_s=TERMINATE_S)
        return await self._rest(call)

    async def _rest(self, call: Call) -> EndAnswer:
        """Accept any 2xx, whose body may be empty and is not read, and RunPod's own "not found"."""
        what = "to end a pod"
        reply = await self._client.answer(call, what)
        if 200 <= reply.status < 300 and _is_ours(reply):
            return EndAnswer.ACCEPTED
        error = error_of(reply.problem, reply.headers, what)
        if isinstance(error, NotFound):
            return EndAnswer.ABSENT
        raise error

    async def _graphql(self, pod_id: str) -> EndAnswer:
        """Success is an answer without errors; its data is null (fact sheet 8). A pod it does not know is an error."""
        try:
            ended = {"input": {"podId": pod_id}}
            await self._client.graphql(_END, ended, "to end a pod", Priority.TERMINATE, TERMINATE_S)
        except NotFound as error:  # of the whole surface, which is to be closed in 2027: not of the pod
            raise Unavailable(str(error)) from error
        return EndAnswer.ACCEPTED


def _created(reply: Reply, request: LaunchRequest) -> Pod:
    if reply.status in (200, 201):
        pod = _pod_in(reply)
        if pod is None or pod.name != request.name:
            raise Ambiguous("RunPod's answer to the create could not be read")
        return pod
    problem = reply.problem
    sentence = problem.sentence("for a pod")
    if problem.clean and reply.status == _DENIED:
        raise Denied(sentence)
    if problem.clean and reply.status == _NO_CAPACITY:
        raise NoCapacity(sentence)
    if problem.clean and reply.status in _STOP:
        raise Refused(sentence)
    raise Ambiguous(sentence)


def _pod_in(reply: Reply) -> Pod | None:
    try:
        return read_pod(reply.json())
    except Unreadable:
        return None


def _is_ours(reply: Reply) -> bool:
    """Tell RunPod's own answer from a proxy's page: an empty one, or JSON."""
    return not reply.body.strip() or reply.headers.get("content-type", "").startswith("application/json")
