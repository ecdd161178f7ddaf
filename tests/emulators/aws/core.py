"""The pure core: EC2, with as much of STS and Systems Manager as a simulation needs, in whatever time it is told."""

from __future__ import annotations

import json
import random
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from email.utils import formatdate
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from tests.emulators.aws import catalogue, codec, explorer, faults, listed, problems
from tests.emulators.aws.asked import Asked, Call
from tests.emulators.aws.auth import Caller, Keys, who_signed
from tests.emulators.aws.billing import Line
from tests.emulators.aws.budgets import Budgets
from tests.emulators.aws.catalogue import TYPES
from tests.emulators.aws.cost_tags import ACTIONS, CostTags
from tests.emulators.aws.functions import Functions, asked_of
from tests.emulators.aws.hosts import Hosts
from tests.emulators.aws.instances import Instances
from tests.emulators.aws.launches import TAKES, Launches
from tests.emulators.aws.metadata import Metadata
from tests.emulators.aws.network import Network, subnet_id
from tests.emulators.aws.offers import Offers
from tests.emulators.aws.policy import applies
from tests.emulators.aws.prices import Prices
from tests.emulators.aws.problems import Problem
from tests.emulators.aws.rights import needed, of_json, place_of, s3_action
from tests.emulators.aws.runner import InstanceRunner, NoProgram
from tests.emulators.aws.scripts import ScriptRunner
from tests.emulators.aws.settings import Settings
from tests.emulators.aws.signature import Signed
from tests.emulators.aws.state import Fate, Instance, Life, Order, State
from tests.emulators.aws.surprises import happen
from tests.emulators.aws.wire import Request, Response
from tests.emulators.common.core import Coming, Core
from tests.emulators.common.switches import Switch

ASKED_MAX = 100_000
HTML = {"content-type": "text/html"}
OWN = ("ec2.*", "sts.GetCallerIdentity", "pricing.*", "budgets.*", "servicequotas.*", "ce.*")
"""The calls that the core answers itself; of Systems Manager the public parameters."""
PUBLIC = b'"/aws/service/'
JSON_SERVICES = ("ssm", "pricing", "budgets", "servicequotas", "ce")
QUOTAS = {
    "L-1216C47A": (False, "Standard"),
    "L-DB2E81BA": (False, "G"),
    "L-417A185B": (False, "P"),
    "L-34B43A08": (True, "Standard"),
    "L-3819A6DF": (True, "G"),
    "L-7212CCBC": (True, "P"),
}
"""Code of a quota of EC2 → whether it is for spot, and family ("Amazon EC2 service quotas")."""


class Bucket(NamedTuple):
    """What the front must know of a bucket."""

    account: str
    region: str
    policy: Mapping[str, Any] | None


class Once(NamedTuple):
    """One call as it was answered."""

    at: float
    call: str
    who: str
    """ARN of the caller."""
    code: str
    """The error's code, or nothing."""
    status: int


@dataclass(frozen=True)
class Alive:
    """One instance that bills or will, or a volume that nobody has."""

    id: str
    name: str
    account: str
    state: str
    rate: Decimal
    """USD per hour now."""
    since: float
    foreign: bool


class Ec2Core(Core):
    """One emulated AWS in virtual time. ``now`` never goes back."""

    def __init__(
        self,
        settings: Settings | None = None,
        runner: InstanceRunner | None = None,
        rng: random.Random | None = None,
        *,
        now: float = 0.0,
    ) -> None:
        super().__init__(now)
        self.settings = settings or Settings()
        rng = rng or random.Random(0)
        self.faults = faults.box()
        self.calls: Counter[str] = Counter()
        """Call name → how often it came in."""
        self.asked: deque[Once] = deque(maxlen=ASKED_MAX)
        self.runner = runner or NoProgram()
        self._request_ids = random.Random(rng.getrandbits(64))
        self.keys = Keys(self.settings, self.faults, random.Random(rng.getrandbits(64)))
        self.hosts = Hosts(self.settings, self.runner, self.faults, random.Random(rng.getrandbits(64)))
        self.prices = Prices(self.settings, self.faults)
        self.network = Network(self.hosts, random.Random(rng.getrandbits(64)))
        self.budgets = Budgets()
        self.functions = Functions(self.hosts.book.call, random.Random(0))
        self.cost_tags = CostTags(self.settings, self.hosts.book)
        self.bucket: Callable[[str], Bucket | None] = lambda name: None
        """Bucket name → what is known of it; who keeps buckets takes this over."""
        self.metadata = Metadata(self.keys, self.faults, random.Random(rng.getrandbits(64)))
        self.launches = Launches(self.settings, self.hosts, self.network, self.prices, self.keys, self.faults)
        lag = self.settings.console_lag_s
        self.instances = Instances(self.hosts, self.network, self.keys, self.faults, lag)
        offers = Offers(self.hosts, self.prices)
        self._ec2: Mapping[str, Call] = {
            "RunInstances": Call(self.launches.run, TAKES),
            **self.instances.calls,
            **offers.calls,
            **self.network.calls,
        }
        if isinstance(self.runner, ScriptRunner) and not self.runner.attached:
            self.runner.attach(self.handle, self.imds)

    def close(self) -> None:
        """End every machine."""
        self.runner.close()

    def arm(self, given: Mapping[str, Switch[Any]], now: float) -> None:
        """Switch faults on."""
        for name, switch in given.items():
            self.faults.arm(name, switch, now)
        self.tick(now)

    # The auditor's view.

    def bills(self) -> tuple[Line, ...]:
        """Return every line of the account book; ``Line.amount(until)`` is exact."""
        return tuple(self.hosts.book.lines)

    def alive(self, now: float) -> tuple[Alive, ...]:
        """Return every instance that is not terminated and every volume left alone, shown to anybody or not."""
        self.tick(now)
        book = self.hosts.book
        found = [
            Alive(
                one.id,
                one.name,
                one.account,
                one.state.value,
                book.rate(one.id) + sum((book.rate(v.id) for v in self.hosts.volumes_of(one.id)), Decimal(0)),
                one.life.asked_at,
                one.fate.foreign,
            )
            for one in self.hosts.instances()
            if one.state is not State.TERMINATED
        ]
        return tuple(found) + tuple(
            Alive(one.id, "", one.account, "available", book.rate(one.id), one.created_at, False)
            for one in self.hosts.volumes.values()
            if one.instance_id is None
        )

    def history(self) -> tuple[Life, ...]:
        """Return the life of every instance that was ever launched."""
        return tuple(self.hosts.lives.values())

    def intrude(self, account: str, region: str, names: Sequence[str] | int, now: float) -> list[Instance]:
        """Launch instances of somebody else in the account, under names or so many, with tokens of their own.

        A name in our form is also in our tag, as it is on whatever is launched as a copy.
        """
        zone = catalogue.zones(region)[0]
        kind, image = TYPES["m5.large"], catalogue.IMAGES[0]
        made = []
        for name in [f"someone-elses-{n}" for n in range(names)] if isinstance(names, int) else names:
            copied = {"lastcall:name": name} if name.startswith("lc1-") else {}
            order = Order(
                name=name,
                type=kind,
                image=image,
                image_id=catalogue.image_id(image, region),
                zone=zone,
                subnet=subnet_id(account, zone),
                groups=(),
                price=self.prices.on_demand(kind, region),
                token=f"of-somebody-else-{name}"[:64],
                disks=((image.root, image.root_gb, True, False),),
                tags={"instance": {"Name": name, **copied}},
            )
            made.append(self.hosts.launch(account, region, order, Fate(foreign=True), now))
        return made

    # Requests.

    def handle(self, request: Request, now: float) -> Response:
        """Answer one request to EC2, STS or SSM at ``now``, seconds since 1970."""
        now = max(now, self._now)
        self.tick(now)
        who = who_signed(request)
        action, parameters = _read(request)
        call = self.name(request)
        service = call.partition(".")[0]
        blocked = self.before(call, service, now)
        if blocked is not None:
            return self.leaving(call, "", blocked, "", now)
        caller: Caller | None = None
        try:
            caller = self.keys.caller(request, call, who, now)
            answer = self._answer(caller, action, parameters, request, now)
            code = ""
        except Problem as problem:
            answer, code = problems.response(problem, service, self._request_id()), problem.code
        answer = self._lost(call, answer, code, now)
        return self.leaving(call, caller.identity.arn if caller else "", answer, code, now)

    @staticmethod
    def name(request: Request) -> str:
        """Return the name that faults know a call by."""
        who = who_signed(request)
        plain = "s3" if request.path != "/" or request.method != "POST" else "ec2"
        service = who.service if who else plain
        if service == "lambda":
            return f"lambda.{asked_of(request).operation}"
        return f"{service}.{s3_action(request) if service == 's3' else _read(request)[0]}"

    def answers(self, request: Request) -> bool:
        """Return whether the core answers a request itself, rather than what is behind it."""
        call = self.name(request)
        return any(fnmatchcase(call, one) for one in OWN) or (call.startswith("ssm.") and PUBLIC in request.body)

    def front(self, request: Request, call: str, service: str, who: Signed | None, now: float) -> Response | None:
        """Return what stops a call to a service behind, or ``None`` to let it through."""
        self.tick(now)
        blocked = self.before(call, service, now)
        if blocked is not None:
            return self.leaving(call, "", blocked, "", now)
        if who is None:
            return None
        try:
            caller = self.keys.caller(request, call, who, now)
            self.keys.not_denied(caller, call.replace(".", ":"), "*", now)
            if self.settings.enforce_iam:
                for right in needed(request, call, caller.account, caller.region):
                    self.keys.authorise(caller, right.action, [right.resource], right.context, now)
            if service == "s3":
                self._at_bucket(request, call, caller, now)
        except Problem as problem:
            refused = problems.response(problem, service, self._request_id())
            if request.method == "HEAD":
                refused = replace(refused, body=b"")
            found = self.bucket(place_of(request).bucket) if service == "s3" else None
            if found is not None:
                refused = replace(refused, headers={**refused.headers, "x-amz-bucket-region": found.region})
            return self.leaving(call, "", refused, problem.code, now)
        return None

    def _at_bucket(self, request: Request, call: str, caller: Caller, now: float) -> None:
        """Check owner, region and the bucket's own policy. Raises Problem."""
        place = place_of(request)
        found = self.bucket(place.bucket)
        if found is None or call == "s3.CreateBucket":
            return
        if request.headers.get("x-amz-expected-bucket-owner", found.account) != found.account:
            raise Problem("AccessDenied", "Access Denied", 403)
        if found.region != caller.region:
            text = f"The authorization header is malformed; the region '{caller.region}' is wrong"
            raise Problem("AuthorizationHeaderMalformed", text, 400)
        right = needed(request, call, caller.account, caller.region)[0]
        context = dict(right.context)
        if self.faults.hit("tls.off", call, now):
            context["aws:SecureTransport"] = "false"
        for statement in (found.policy or {}).get("Statement", ()):
            plain = {name: value for name, value in statement.items() if name != "Principal"}
            if (
                statement["Effect"] == "Deny"
                and statement.get("Principal") == "*"
                and applies(plain, right.action, right.resource, context)
            ):
                text = f"User: {caller.identity.arn} is not authorized to perform: {right.action}"
                raise Problem("AccessDenied", f"{text} with an explicit deny in a resource-based policy", 403)

    def imds(self, instance_id: str, request: Request, now: float) -> Response:
        """Answer what runs in an instance and asks for its metadata; paths begin with ``/latest``."""
        now = max(now, self._now)
        self.tick(now)
        return self.metadata.answer(self.hosts.get(instance_id), request, now)

    def before(self, call: str, service: str, now: float) -> Response | None:
        """Return the answer of somebody in front of a service, or ``None`` to let the call through."""
        outage = self.faults.hit("outage", call, now)
        if outage:
            lost: Any = {"refuse": "reset", "hang": "hang"}.get(outage)
            return Response(503, HTML, b"<html><body>503 Service Unavailable</body></html>", lost=lost)
        if self.faults.hit("body.html", call, now):
            return Response(200, HTML, b"<html><body>Sign in to the network</body></html>")
        address = self.faults.hit("redirect", call, now)
        if address:
            return Response(307, {"location": address})
        if self.faults.hit("throttle", call, now):
            text = "Request limit exceeded."
            if service == "ec2":
                problem = Problem("RequestLimitExceeded", text, 503)
            elif service == "s3":
                problem = Problem("SlowDown", "Please reduce your request rate.", 503)
            else:
                problem = Problem("Throttling" if service in ("sts", "iam") else "ThrottlingException", text)
            return problems.response(problem, service, self._request_id())
        return None

    def leaving(self, call: str, arn: str, answer: Response, code: str, now: float) -> Response:
        """Count a call, and return its answer as it arrives."""
        self.calls[call] += 1
        self.asked.append(Once(now, call, arn, code, answer.status))
        skew = self.faults.standing("clock.skew", call, now) or 0.0
        headers = {
            "x-amz-request-id" if call.startswith("s3.") else "x-amzn-requestid": self._request_id(),
            "date": formatdate(now + skew, usegmt=True),
            **answer.headers,
        }
        delay = self.faults.hit("latency", call, now) or 0.0
        answer = replace(answer, headers=headers, delay_s=answer.delay_s + delay)
        if answer.body and self.faults.hit("body.cut", call, now):
            answer = replace(answer, lost="cut")
        return answer

    def _answer(
        self, caller: Caller, action: str, parameters: list[tuple[str, str]], request: Request, now: float
    ) -> Response:
        if caller.service == "sts":
            return self._sts(caller, action)
        if caller.service in JSON_SERVICES:
            return self._json(caller, action, request, now)
        version = dict(parameters).get("Version")
        if version != codec.VERSION:
            raise Problem("NoSuchVersion", f"The requested version ({version}) of service Ec2 does not exist")
        read = codec.read(action, [one for one in parameters if one[0] not in ("Action", "Version")])
        call = self._ec2.get(action)
        if call is None:
            raise Problem("InvalidAction", f"The action {action} is not emulated")
        dry = read.pop("DryRun", False)
        strange = [name for name in read if name not in call.takes]
        if strange:
            raise Problem("UnsupportedParameter", f"{strange[0]} of {action} is not emulated")
        asked = Asked(action, read, caller, caller.region, now)
        self._authorise(asked)
        if dry:
            raise Problem("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)
        document = codec.render(action, call.work(asked), self._request_id())
        if self.faults.hit("fields.new", asked.call, now):
            document = document.replace(b"<requestId>", b"<newThing><item><x>1</x></item></newThing><requestId>", 1)
        return Response(200, problems.XML, document)

    def _authorise(self, asked: Asked) -> None:
        if asked.action == "RunInstances":
            self.launches.authorise(asked)
        else:
            self.instances.authorise(asked)

    def _lost(self, call: str, answer: Response, code: str, now: float) -> Response:
        """Lose the answer to a launch that happened."""
        if call != faults.CREATE or code:
            return answer
        life = next((one for one in reversed(self.hosts.lives.values()) if one.asked_at == now), None)
        made = self.hosts.get(life.instance_id) if life else None
        lost = self.faults.hit("create.lost", call, now, life.name if life else "")
        if lost is None and made is not None and made.fate.late_s:
            lost = "500"
        if lost in ("500", "503"):
            text = "An internal error has occurred"
            problem = Problem("InternalError" if lost == "500" else "Unavailable", text, int(lost))
            return problems.response(problem, "ec2", self._request_id())
        if lost == "garbage":
            return replace(answer, body=answer.body[: len(answer.body) // 2])
        ways: dict[str | None, Any] = {"timeout": "hang", "reset": "reset"}
        return replace(answer, lost=ways.get(lost))

    def _sts(self, caller: Caller, action: str) -> Response:
        if action != "GetCallerIdentity":
            raise Problem("InvalidAction", f"Could not find operation {action} for version 2011-06-15")
        identity = caller.identity
        text = (
            '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
            f"<Arn>{identity.arn.replace(identity.account, caller.account)}</Arn><UserId>{identity.user_id}</UserId>"
            f"<Account>{caller.account}</Account></GetCallerIdentityResult>"
            f"<ResponseMetadata><RequestId>{self._request_id()}</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
        )
        return Response(200, problems.XML, text.encode())

    def _json(self, caller: Caller, action: str, request: Request, now: float) -> Response:
        try:
            document = json.loads(request.body or b"{}")
        except ValueError:
            raise Problem("SerializationException", "the body is no JSON") from None
        if caller.service != "ssm":
            right = of_json(f"{caller.service}.{action}", document, caller.account, caller.region)
            self.keys.authorise(caller, right.action, [right.resource], right.context, now)
        if caller.service == "budgets":
            return _document(dict(self.budgets.answer(caller.account, action, document)))
        if caller.service == "servicequotas":
            return _document(self._quota(caller, action, document))
        if (caller.service, action) == ("pricing", "GetProducts"):
            return _document(listed.products(document, self.prices))
        if (caller.service, action) == ("ce", explorer.ACTION):
            tags = self.cost_tags
            return _document(
                explorer.cost_and_usage(document, self.hosts.book, caller.account, self.settings, tags, now)
            )
        if caller.service == "ce" and action in ACTIONS:
            return _document(dict(self.cost_tags.answer(caller.account, action, document, now)))
        if caller.service != "ssm":
            raise Problem("UnknownOperationException", action)
        return _document(self._parameters(caller, action, document, now))

    def _quota(self, caller: Caller, action: str, document: Any) -> dict[str, Any]:
        code = document.get("QuotaCode")
        if action != "GetServiceQuota":
            raise Problem("UnknownOperationException", action)
        if code not in QUOTAS or document.get("ServiceCode") != "ec2":
            raise Problem("NoSuchResourceException", f"The request failed because the specified quota {code}")
        spot, family = QUOTAS[code]
        account = self.settings.accounts[caller.account]
        value = (account.spot_vcpus if spot else account.on_demand_vcpus).get(family, 0)
        return {"Quota": {"ServiceCode": "ec2", "QuotaCode": code, "Value": float(value)}}

    def _parameters(self, caller: Caller, action: str, document: Any, now: float) -> dict[str, Any]:
        if action not in ("GetParameter", "GetParameters"):
            raise Problem("UnknownOperationException", action)
        names = _names(document)
        for name in names:
            arn = f"arn:aws:ssm:{caller.region}::parameter{name}"
            self.keys.authorise(caller, f"ssm:{action}", [arn], {"aws:RequestedRegion": caller.region}, now)
        known = catalogue.parameters(caller.region)
        found = [
            {"Name": name, "Type": "String", "Value": known[name], "Version": 1, "DataType": "text"}
            for name in names
            if name in known
        ]
        if action == "GetParameters":
            return {"Parameters": found, "InvalidParameters": [name for name in names if name not in known]}
        if not found:
            raise Problem("ParameterNotFound", "")
        return {"Parameter": found[0]}

    def _request_id(self) -> str:
        bits = f"{self._request_ids.getrandbits(128):032x}"
        return f"{bits[:8]}-{bits[8:12]}-{bits[12:16]}-{bits[16:20]}-{bits[20:]}"

    # What happens by itself.

    def _coming(self) -> Iterator[Coming]:
        yield self.faults.next_moment(), "fault", self._strike
        yield self.hosts.next_due(), "host", self.hosts.step
        yield self.runner.next_due(), "program", self._run_programs

    def _run_programs(self, now: float) -> None:
        for instance_id in self.runner.advance(now):
            self.hosts.look(instance_id, now)

    def _strike(self, now: float) -> None:
        for name, switch in self.faults.happens(now):
            happen(name, switch, self, now)


def _document(document: dict[str, Any]) -> Response:
    return Response(200, problems.JSON, json.dumps(document).encode())


def _names(document: Any) -> list[str]:
    """Return the parameters that a call to Systems Manager names. Raises Problem."""
    names = document.get("Names", [document.get("Name")]) if isinstance(document, dict) else []
    if not names or not all(isinstance(one, str) for one in names):
        raise Problem("ValidationException", "want a name")
    return list(names)


def _read(request: Request) -> tuple[str, list[tuple[str, str]]]:
    """Return the action and the parameters of a query call, or the action of a JSON one."""
    target = request.headers.get("x-amz-target")
    if target:
        return target.rpartition(".")[2], []
    form = request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    if request.method == "POST" and not form:
        return request.method, []
    text = request.body.decode("utf-8", "replace") if form else request.query
    pairs = list(_pairs(text))
    return dict(pairs).get("Action", request.method), pairs


@lru_cache(maxsize=16)  # who looks at a call reads it again
def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    return tuple(parse_qsl(text, keep_blank_values=True))
