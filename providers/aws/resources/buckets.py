"""The bucket that keeps data, models and jobs, and the one that keeps its access log.

Both are private, encrypted and reachable over TLS only. What others set in them (rules, statements, tags) stays.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from providers.aws.client import Call
from providers.aws.policies import same, statement_that_allows
from providers.aws.problems import error_of
from providers.aws.resources.emptying import empty
from providers.aws.resources.lifecycle import Rule, amiss, merged, rules_of_access_log, rules_of_data
from providers.aws.resources.resource import NOT_THERE, Difference, Look, Resource, list_at, mark_of, text_at
from providers.interface import Refused, Unavailable
from providers.s3.store import PROBES
from providers.transport import TransportError

NO_LOCATION: Final = "us-east-1"
"""The one region that a bucket is made in by naming none ("CreateBucket")."""
LOOKING: Final = "s3:ListBucket"
"""The right to ask whether a bucket is there ("HeadBucket")."""
CLOSED: Final = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


class Elsewhere(Refused):
    """The bucket is in another region."""

    def __init__(self, bucket: str, region: str, wanted: str) -> None:
        super().__init__(f"bucket {bucket} is in {region}, not in {wanted}")
        self.region = region


class Foreign(Refused):
    """The bucket is another account's; where ``right`` is set, this key may lack it instead: S3 answers both alike."""


class Bucket(Resource):
    """What both buckets have in common."""

    policy_part: str
    versions: bool

    @property
    @abstractmethod
    def bucket(self) -> str:
        """Its name."""

    @property
    @abstractmethod
    def rules(self) -> list[Rule]:
        """The lifecycle rules that it shall have."""

    @property
    def logs_into(self) -> str | None:
        """The bucket its access log goes to."""
        return None

    @property
    def encryption(self) -> Mapping[str, object]:
        """How it shall encrypt what is written without a word about encryption."""
        return {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}

    async def look(self) -> Look:
        """Return what is there. Raises Elsewhere, Foreign, Refused or Unavailable."""
        if not await self.is_there():
            return NOT_THERE
        tagging = await self._get("GetBucketTagging", "for the tags of")
        differences = [
            *await self._private(),
            *await self._encrypted(),
            *await self._ruled(),
            *(await self._versioned() if self.versions else []),
            *await self._aging(),
            *await self._logged(),
        ]
        return Look(there=True, mark=mark_of(list_at(tagging, "TagSet")), differences=tuple(differences))

    async def is_there(self) -> bool:
        """Say whether this account has it here. Raises Elsewhere, Foreign, Refused or Unavailable."""
        asked = {"Bucket": self.bucket, "ExpectedBucketOwner": self.wanted.account}
        what = f"for bucket {self.bucket}"
        try:
            answer = await self.client.exchange(Call("s3", "HeadBucket", asked))
        except TransportError as error:
            raise Unavailable(f"AWS did not answer when asked {what}: {error}") from error
        problem = answer.problem
        region = text_at(answer.value, "BucketRegion") or problem.bucket_region
        if answer.value is None and problem.status == 404:
            return False
        if region and region != self.wanted.region:
            raise Elsewhere(self.bucket, region, self.wanted.region)
        if answer.value is not None:
            return True
        if problem.status == 403:
            lacks = f"{LOOKING} on it, which {statement_that_allows(LOOKING)}"
            raise Foreign(
                f"AWS answered 403 when asked {what}: it is another account's, or the key lacks {lacks}", LOOKING
            )
        raise error_of(problem, what)

    async def create(self) -> None:
        """Make it with its mark. Raises Foreign for a name that another account has, Conflict for one of ours.

        In one call, so that a run that is killed after it leaves nothing that the next one takes for somebody else's.
        """
        made: dict[str, object] = {"Tags": self.tags}
        if self.wanted.region != NO_LOCATION:
            made["LocationConstraint"] = self.wanted.region
        what = f"to make bucket {self.bucket}"
        call = Call("s3", "CreateBucket", {"Bucket": self.bucket, "CreateBucketConfiguration": made})
        try:
            answer = await self.client.exchange(call)
        except TransportError as error:
            raise Unavailable(f"AWS did not answer when asked {what}: {error}") from error
        if answer.problem.code == "BucketAlreadyExists":
            raise Foreign(f"another account has a bucket called {self.bucket}; names are the world's")
        # In us-east-1 making one's own bucket again succeeds: what it says of itself was read before.
        if answer.value is None:
            raise error_of(answer.problem, what)

    async def claim(self) -> bool:
        """Mark it where the call that made it did not. Raises Refused or Unavailable."""
        await self._put("PutBucketTagging", "to mark", Tagging={"TagSet": self.tags})
        return True

    async def remove(self) -> None:
        """Remove it, which must be empty."""
        await self.drop("s3", "DeleteBucket", f"to remove bucket {self.bucket}", Bucket=self.bucket)

    async def empty(self) -> int:
        """Delete everything in it, old versions and unfinished uploads too; return how many."""
        return await empty(self.client, self.bucket)

    async def holds(self) -> str:
        """Say what is in it beside files that tried it, empty for nothing. Raises Refused or Unavailable."""
        page = await self._get("ListObjectVersions", "what is in", MaxKeys=1000)
        entries = [*list_at(page, "Versions"), *list_at(page, "DeleteMarkers")]
        count = sum(not str(one.get("Key", "")).startswith(PROBES) for one in entries)
        more = bool(page and page.get("IsTruncated"))
        return f"{'more than ' if more else ''}{count} objects and versions" if count or more else ""

    # ------------------------------------------------------------------------------------------- what it is like

    async def _private(self) -> list[Difference]:
        value = await self._get("GetPublicAccessBlock", "whether the public is kept out of")
        found = (value or {}).get("PublicAccessBlockConfiguration") or {}
        if all(found.get(name) is True for name in CLOSED):
            return []
        settings = dict.fromkeys(CLOSED, True)
        put = partial(self._put, "PutPublicAccessBlock", "to close", PublicAccessBlockConfiguration=settings)
        return [Difference("public access is not blocked", put)]

    async def _encrypted(self) -> list[Difference]:
        value = await self._get("GetBucketEncryption", "for the encryption of")
        rules = list_at((value or {}).get("ServerSideEncryptionConfiguration"), "Rules")
        found = [_encryption(one) for one in rules]
        if found == [_encryption(self.encryption)]:
            return []
        put = partial(
            self._put,
            "PutBucketEncryption",
            "to encrypt",
            ServerSideEncryptionConfiguration={"Rules": [self.encryption]},
        )
        said = " ".join(filter(None, found[0])) if found else "off"
        return [Difference(f"its own encryption is {said}", put)]

    async def _ruled(self) -> list[Difference]:
        value = await self._get("GetBucketPolicy", "for the policy of")
        there = _statements(value)
        wanted = self.wanted.policy(self.policy_part)
        by_sid = {one.get("Sid"): one for one in there}
        ours = wanted["Statement"]
        wrong = [str(one["Sid"]) for one in ours if not same(by_sid.get(one["Sid"]), one)]
        if not wrong:
            return []
        names = {one["Sid"] for one in ours}
        whole = {**wanted, "Statement": [*(one for one in there if one.get("Sid") not in names), *ours]}
        put = partial(self._put, "PutBucketPolicy", "to set the policy of", Policy=json.dumps(whole))
        return [Difference(f"its policy lacks {', '.join(wrong)}", put)]

    async def _versioned(self) -> list[Difference]:
        status = text_at(await self._get("GetBucketVersioning", "for the versions of"), "Status")
        if status == "Enabled":
            return []
        setting = {"Status": "Enabled"}
        put = partial(self._put, "PutBucketVersioning", "to keep versions in", VersioningConfiguration=setting)
        return [Difference(f"versioning is {(status or 'off').lower()}", put)]

    async def _aging(self) -> list[Difference]:
        there = list_at(await self._get("GetBucketLifecycleConfiguration", "for the rules of"), "Rules")
        wrong = amiss(there, self.rules)
        if not wrong:
            return []
        rules = {"Rules": merged(there, self.rules)}
        put = partial(self._put, "PutBucketLifecycleConfiguration", "to set the rules of", LifecycleConfiguration=rules)
        return [Difference(f"lifecycle differs in {', '.join(wrong)}", put)]

    async def _logged(self) -> list[Difference]:
        if self.logs_into is None:
            return []
        value = await self._get("GetBucketLogging", "for the access log of")
        into = text_at(value, "LoggingEnabled", "TargetBucket")
        if into == self.logs_into:
            return []
        target = {"TargetBucket": self.logs_into, "TargetPrefix": f"{self.bucket}/"}
        put = partial(self._put, "PutBucketLogging", "to log", BucketLoggingStatus={"LoggingEnabled": target})
        return [Difference(f"its access log goes to {into}" if into else "it has no access log", put)]

    async def _get(self, operation: str, what: str, **more: object) -> dict[str, Any] | None:
        return await self.found("s3", operation, f"{what} bucket {self.bucket}", **self._named, **more)

    async def _put(self, operation: str, what: str, **more: object) -> None:
        await self.do("s3", operation, f"{what} bucket {self.bucket}", **self._named, **more)

    @property
    def _named(self) -> dict[str, object]:
        """S3 refuses the call where the bucket has become another account's."""
        return {"Bucket": self.bucket, "ExpectedBucketOwner": self.wanted.account}


class DataBucket(Bucket):
    """Data, models and jobs."""

    name = "bucket"
    policy_part = "bucket"
    versions = True

    @property
    def title(self) -> str:
        """What it is called."""
        return f"bucket {self.bucket} in {self.wanted.region}"

    @property
    def bucket(self) -> str:
        """Its name."""
        return self.wanted.bucket

    @property
    def rules(self) -> list[Rule]:
        """When data, models and old versions go."""
        return rules_of_data(self.wanted)

    @property
    def logs_into(self) -> str | None:
        """The access log's bucket."""
        return self.wanted.log_bucket

    @property
    def encryption(self) -> Mapping[str, object]:
        """By the configured key, one data key for many objects; else by S3's own."""
        if self.wanted.kms_key is None:
            return super().encryption
        key = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": self.wanted.kms_key}
        return {"ApplyServerSideEncryptionByDefault": key, "BucketKeyEnabled": True}


class LogBucket(Bucket):
    """The access log. S3 delivers it into buckets with its own encryption only ("Enabling server access logging")."""

    name = "access log"
    policy_part = "bucket-logs"
    versions = False

    @property
    def title(self) -> str:
        """What it is called."""
        return f"bucket {self.bucket} for the access log"

    @property
    def bucket(self) -> str:
        """Its name."""
        return self.wanted.log_bucket

    @property
    def rules(self) -> list[Rule]:
        """When the log goes."""
        return rules_of_access_log(self.wanted)


def _encryption(rule: Mapping[str, Any]) -> tuple[str, str]:
    inner = rule.get("ApplyServerSideEncryptionByDefault") or {}
    return str(inner.get("SSEAlgorithm", "")), str(inner.get("KMSMasterKeyID") or "")


def _statements(value: Mapping[str, Any] | None) -> Sequence[Mapping[str, Any]]:
    try:
        document = json.loads(text_at(value, "Policy") or "{}")
    except ValueError:
        raise Unavailable("the bucket's policy could not be read") from None
    found = document.get("Statement", []) if isinstance(document, dict) else []
    statements = found if isinstance(found, list) else [found]
    return [one for one in statements if isinstance(one, dict)]
