"""What rights a call to a service behind the core needs: action, resource, and what conditions can ask for.

moto's own enforcement knows S3 by action and resource, other services by action only, and takes conditions as met; so
rights are judged here, as EC2's are, and moto's are off.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote
from xml.etree import ElementTree

from tests.emulators.aws import functions
from tests.emulators.aws.budgets import RIGHTS, Budgets
from tests.emulators.aws.wire import Request

ENCRYPTION = "x-amz-server-side-encryption"
BUCKET_CALLS = {
    "location": ("GetBucketLocation", "", ""),
    "versioning": ("GetBucketVersioning", "PutBucketVersioning", ""),
    "encryption": ("GetEncryptionConfiguration", "PutEncryptionConfiguration", "PutEncryptionConfiguration"),
    "publicAccessBlock": ("GetBucketPublicAccessBlock", "PutBucketPublicAccessBlock", "PutBucketPublicAccessBlock"),
    "policy": ("GetBucketPolicy", "PutBucketPolicy", "DeleteBucketPolicy"),
    "lifecycle": ("GetLifecycleConfiguration", "PutLifecycleConfiguration", "PutLifecycleConfiguration"),
    "logging": ("GetBucketLogging", "PutBucketLogging", ""),
    "tagging": ("GetBucketTagging", "PutBucketTagging", "PutBucketTagging"),
    "uploads": ("ListBucketMultipartUploads", "", ""),
    "versions": ("ListBucketVersions", "", ""),
}
"""Part of a bucket that the query names → right to GET, PUT and DELETE it ("Actions defined by Amazon S3")."""
STREAMS = ("GetLogEvents", "PutLogEvents", "CreateLogStream", "DescribeLogStreams")
"""Of CloudWatch Logs: those that are judged by a stream's name below the group's."""


class Right(NamedTuple):
    """One right that a call needs."""

    action: str
    resource: str
    context: Mapping[str, str] = {}


class Place(NamedTuple):
    """Bucket and key of a request in path style; empty where there is none."""

    bucket: str
    key: str


def place_of(request: Request) -> Place:
    """Return what a request to S3 is about."""
    bucket, _, key = unquote(request.path).removeprefix("/").partition("/")
    return Place(bucket, key)


def s3_action(request: Request) -> str:
    """Return the right a request to S3 needs, without its service."""
    place, query = place_of(request), dict(parse_qsl(request.query, keep_blank_values=True))
    if not place.bucket:
        return "ListAllMyBuckets"
    return _object(request.method, query) if place.key else _bucket(request.method, query)


def needed(request: Request, call: str, account: str, region: str) -> list[Right]:
    """Return every right that a call needs, in the account and region it is for."""
    service, _, operation = call.partition(".")
    context = {"aws:RequestedRegion": region}
    if service == "s3":
        found = [_s3(request, operation, context)]
        if operation == "CreateBucket" and tags_of(request.body):
            found.append(found[0]._replace(action="s3:TagResource"))
        return found
    if service == "lambda":
        return _lambda(request, account, region, context)
    parameters = _parameters(request)
    if service == "logs":
        return [Right(f"logs:{operation}", _log_arn(operation, parameters, account, region), context)]
    if service == "iam":
        return _iam(operation, parameters, account)
    if service == "kms":
        return [Right(f"kms:{operation}", f"arn:aws:kms:{region}:{account}:key/any", context)]
    return [Right(f"{service}:{operation}", "*", context)]


def tags_of(body: bytes) -> dict[str, str]:
    """Return the tags that a new bucket is asked for with ("CreateBucket")."""
    with suppress(ElementTree.ParseError):
        root = ElementTree.fromstring(body)
        return {
            str(one.findtext("{*}Key")): str(one.findtext("{*}Value"))
            for one in (*root.findall("{*}Tags/{*}Tag"), *root.findall("{*}Tags/{*}member"))
        }
    return {}


def _lambda(request: Request, account: str, region: str, context: Mapping[str, str]) -> list[Right]:
    asked, document = functions.asked_of(request), {}
    if asked.operation == "CreateFunction":
        with suppress(ValueError):
            document = json.loads(request.body or b"{}")
    name = asked.name or document.get("FunctionName", "")
    action = functions.RIGHTS.get(asked.operation, asked.operation)
    found = [Right(f"lambda:{action}", f"arn:aws:lambda:{region}:{account}:function:{name}", context)]
    if asked.operation == "CreateFunction":
        passed = {**context, "iam:PassedToService": "lambda.amazonaws.com"}
        found.append(Right("iam:PassRole", str(document.get("Role", "")), passed))
    return found


def of_json(call: str, document: Any, account: str, region: str) -> Right:
    """Return the right that a call to one of the core's own JSON services needs."""
    service, _, operation = call.partition(".")
    if service == "budgets":
        arn = f"arn:aws:budgets::{account}:budget/{Budgets.name_of(document)}"
        return Right(f"budgets:{RIGHTS.get(operation, operation)}", arn)
    return Right(f"{service}:{operation}", "*", {"aws:RequestedRegion": region})


def object_context(request: Request) -> dict[str, str]:
    """Return what a bucket's policy can ask of a request; what comes over loopback counts as TLS."""
    found = {"aws:SecureTransport": "true"}
    query = dict(parse_qsl(request.query, keep_blank_values=True))
    if "prefix" in query or not place_of(request).key:
        found["s3:prefix"] = query.get("prefix", "")
    for name, value in request.headers.items():
        if name == ENCRYPTION or name.startswith(f"{ENCRYPTION}-"):
            found[f"s3:{name}"] = value
    return found


def _s3(request: Request, action: str, context: Mapping[str, str]) -> Right:
    place = place_of(request)
    resource = f"arn:aws:s3:::{place.bucket or '*'}{f'/{place.key}' if place.key else ''}"
    if action in ("DeleteObjectVersion", "DeleteObject") and not place.key:
        resource += "/any"
    return Right(f"s3:{action}", resource, {**context, **object_context(request)})


def _bucket(method: str, query: Mapping[str, str]) -> str:
    part = next((name for name in BUCKET_CALLS if name in query), None)
    if part is not None and method in ("GET", "PUT", "DELETE"):
        return BUCKET_CALLS[part][("GET", "PUT", "DELETE").index(method)] or f"Unknown{method}{part}"
    if method == "POST":
        return "DeleteObjectVersion" if "delete" in query else "PutObject"
    return {"PUT": "CreateBucket", "DELETE": "DeleteBucket"}.get(method, "ListBucket")


def _object(method: str, query: Mapping[str, str]) -> str:
    if method in ("GET", "HEAD"):
        return "ListMultipartUploadParts" if "uploadId" in query else "GetObject"
    if method == "DELETE":
        if "uploadId" in query:
            return "AbortMultipartUpload"
        return "DeleteObjectVersion" if "versionId" in query else "DeleteObject"
    return "PutObject"


def _log_arn(operation: str, parameters: Mapping[str, Any], account: str, region: str) -> str:
    base = f"arn:aws:logs:{region}:{account}:log-group:"
    if "resourceArn" in parameters:
        return str(parameters["resourceArn"])
    group = parameters.get("logGroupName")
    if group is None:  # as CloudWatch names it when it refuses DescribeLogGroups
        return f"{base}:log-stream:"
    if operation in STREAMS:
        return f"{base}{group}:log-stream:{parameters.get('logStreamName', '')}"
    return f"{base}{group}"


def _iam(operation: str, parameters: Mapping[str, Any], account: str) -> list[Right]:
    base = f"arn:aws:iam::{account}"
    if "InstanceProfileName" in parameters:
        found = [Right(f"iam:{operation}", f"{base}:instance-profile/{parameters['InstanceProfileName']}")]
        if operation == "AddRoleToInstanceProfile":
            found.append(Right("iam:PassRole", f"{base}:role/{parameters.get('RoleName')}"))
        tagging = "iam:TagInstanceProfile"
    elif "RoleName" in parameters:
        found = [Right(f"iam:{operation}", f"{base}:role/{parameters['RoleName']}")]
        tagging = "iam:TagRole"
    else:
        return [Right(f"iam:{operation}", "*")]
    tagged = any(name.startswith("Tags.") for name in parameters) and operation.startswith("Create")
    return [*found, Right(tagging, found[0].resource)] if tagged else found


def _parameters(request: Request) -> Mapping[str, Any]:
    if request.headers.get("x-amz-target"):
        try:
            document = json.loads(request.body or b"{}")
        except ValueError:
            return {}
        return document if isinstance(document, dict) else {}
    return dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
