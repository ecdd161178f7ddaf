"""What an answer says when it is not the one that was hoped for: one table from error codes to the interface's types.

A refusal counts as clean, so that nothing was made, only when AWS itself wrote it: an error document with a code.
Codes are those of "Error codes for the Amazon EC2 API" and of each service's "Common errors".
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final, NamedTuple

from providers.aws.policies import action_of, statement_that_allows
from providers.interface import Conflict, Denied, NoCapacity, NotFound, ProviderError, Refused, Unavailable

DETAIL_CHARS_MAX: Final = 300
RETRY_S: Final = 5.0


class Class(Enum):
    """What a code means for the caller."""

    CAPACITY = "capacity"
    LIMIT = "limit"
    """This kind of machine is not for this account now: a quota, or a type that the zone does not have."""
    RIGHTS = "rights"
    KEY = "key"
    CLOCK = "clock"
    ABSENT = "absent"
    EXISTS = "exists"
    """What was to be made is there."""
    BUSY = "busy"
    SERVER = "server"
    """AWS failed on its side: a change may or may not have happened."""
    WRONG = "wrong"


_CODES: Final[dict[Class, tuple[str, ...]]] = {
    Class.CAPACITY: (
        "InsufficientInstanceCapacity",
        "InsufficientHostCapacity",
        "InsufficientCapacity",
        "SpotMaxPriceTooLow",
        "InsufficientFreeAddressesInSubnet",
        "InsufficientAddressCapacity",
    ),
    Class.LIMIT: (
        "MaxSpotInstanceCountExceeded",
        "InstanceLimitExceeded",
        "VcpuLimitExceeded",
        "VolumeLimitExceeded",
        "Unsupported",
        "UnsupportedOperation",
    ),
    Class.RIGHTS: ("UnauthorizedOperation", "AccessDenied", "AccessDeniedException"),
    Class.KEY: (
        "AuthFailure",
        "InvalidClientTokenId",
        "InvalidAccessKeyId",
        "UnrecognizedClientException",
        "SignatureDoesNotMatch",
        "InvalidSignatureException",
        "IncompleteSignature",
        "MissingAuthenticationToken",
        "ExpiredToken",
        "ExpiredTokenException",
    ),
    Class.CLOCK: ("RequestExpired", "RequestTimeTooSkewed"),
    Class.ABSENT: (
        "InvalidInstanceID.NotFound",
        "InvalidInstanceID.Malformed",
        "InvalidSpotInstanceRequestID.NotFound",
        "InvalidVolume.NotFound",
        "InvalidAMIID.NotFound",
        "InvalidInstanceType",
        "InvalidGroup.NotFound",
        "InvalidGroupId.Malformed",
        "InvalidSubnetID.NotFound",
        "ResourceNotFoundException",
        "ParameterNotFound",
        "NotFoundException",
        "NoSuchEntity",
        "NoSuchResourceException",
        "NoSuchBucket",
        "NoSuchBucketPolicy",
        "NoSuchLifecycleConfiguration",
        "NoSuchPublicAccessBlockConfiguration",
        "NoSuchTagSet",
        "NoSuchUpload",
        "ServerSideEncryptionConfigurationNotFoundError",
    ),
    Class.EXISTS: (
        "BucketAlreadyOwnedByYou",
        "EntityAlreadyExists",
        "InvalidGroup.Duplicate",
        "InvalidPermission.Duplicate",
        "ResourceAlreadyExistsException",
        "DuplicateRecordException",
    ),
    Class.BUSY: (
        "RequestLimitExceeded",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "Client.RequestLimitExceeded",
    ),
    Class.SERVER: (
        "InternalError",
        "InternalFailure",
        "ServerInternal",
        "InternalServerError",
        "Unavailable",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "ServiceFailure",
        "InternalErrorException",
        # Somebody changes the same thing at this moment.
        "OperationAborted",
        "OperationAbortedException",
        "ConcurrentModification",
        "EntityTemporarilyUnmodifiable",
    ),
}
_BY_CODE: Final = {code: kind for kind, codes in _CODES.items() for code in codes}
_CLOSED: Final = {
    "OptInRequired": "the account is not signed up for this service or region",
    "Blocked": "AWS has blocked the account: its support says why",
}
"""Refusals that no policy changes ("Client error codes for all actions")."""
_ACTION = re.compile(r"perform(?: this operation)?:? +(?P<action>[a-z0-9-]{2,40}:[A-Za-z]{3,80})")


KNOWN_TOKEN: Final = frozenset({"IdempotentParameterMismatch", "IdempotentInstanceTerminated"})
"""Refusals of a create that say that its token was used: something was made."""


class Problem(NamedTuple):
    """What AWS says went wrong."""

    service: str
    operation: str
    status: int
    code: str
    """Empty where AWS itself said nothing readable."""
    detail: str
    """One line, plain, without secrets."""
    request_id: str = ""
    skewed: bool = False
    """Its ``Date`` is too far from our clock for a signature to hold."""
    bucket_region: str = ""
    """Where S3 says that the bucket is."""

    @property
    def clean(self) -> bool:
        """Whether AWS itself refused: nothing was made or changed."""
        if self.kind is Class.CAPACITY:
            return True  # a refusal, although its status is 500 ("Server error codes")
        return self.kind not in (None, Class.SERVER) and self.status < 500

    @property
    def kind(self) -> Class | None:
        """What the code means; ``None``: this is not AWS's own answer."""
        if not self.code:
            return None
        if self.code in _BY_CODE:
            kind = _BY_CODE[self.code]
            return Class.CLOCK if kind is Class.KEY and self.skewed else kind
        return Class.SERVER if self.status >= 500 else Class.WRONG

    @property
    def right(self) -> str:
        """The right that is missing, as policies name it; empty where it is not that."""
        if self.kind is not Class.RIGHTS:
            return ""
        found = _ACTION.search(self.detail)
        return found["action"] if found else action_of(self.service, self.operation)

    def sentence(self, what: str) -> str:
        """Return one line for a person: what was asked, what came, what to do."""
        said = f"{self.code or self.status}" + (f": {self.detail}" if self.detail else "")
        tail = f" (request {self.request_id})" if self.request_id else ""
        return f"AWS answered {said} when asked {what}{tail}{self._advice()}"

    def _advice(self) -> str:
        if self.right:
            return f"; this needs {self.right}, which {statement_that_allows(self.right)}"
        if self.code in _CLOSED:
            return f"; {_CLOSED[self.code]}"
        if self.kind is Class.KEY:
            return "; the access key does not hold here: renew it, and check aws.region and aws.profile"
        if self.kind is Class.CLOCK:
            return "; the clock of this computer differs too much from AWS's: set the clock"
        return ""


def error_of(problem: Problem, what: str, retry_s: float = RETRY_S) -> ProviderError:
    """Return what a failed read or an idempotent call means."""
    sentence = problem.sentence(what)
    kind = problem.kind
    if kind in (None, Class.BUSY, Class.SERVER):
        return Unavailable(sentence, retry_s)
    if kind is Class.ABSENT:
        return NotFound(sentence)
    if kind is Class.EXISTS:
        return Conflict(sentence)
    return Refused(sentence, problem.right)


def create_error(problem: Problem, what: str) -> ProviderError | None:
    """Return the clean refusal of a create, or ``None`` where nobody can tell, or where the same may be asked again.

    A throttled create made nothing, and repeating it is what the token is for.
    """
    sentence = problem.sentence(what)
    kind = problem.kind
    if not problem.clean or kind is Class.BUSY or problem.code in KNOWN_TOKEN:
        return None
    if kind is Class.CAPACITY:
        return NoCapacity(sentence)
    if kind is Class.LIMIT:
        return Denied(sentence)
    return Refused(sentence, problem.right)


def plain(text: str) -> str:
    """Return one line of printable characters, bounded."""
    line = "".join(c if c.isprintable() else " " for c in text[: DETAIL_CHARS_MAX * 4])
    return re.sub(r"\s+", " ", line).strip()[:DETAIL_CHARS_MAX]
