"""Puts the AWS provider together: instances, the bucket, copies of it here, and predictions made here."""

from __future__ import annotations

from typing import ClassVar

from messages.machines import ProviderKind
from providers.aws.client import Client
from providers.aws.endpoints import bucket_in_host
from providers.aws.settings import MACHINE_ROOT, STORE_FOLDER, AwsProviderSettings, AwsSettings
from providers.aws.storage import AwsStorage, denials, encryption
from providers.aws.training import AwsTraining
from providers.here import PredictionHere, build_here
from providers.image import brought_by
from providers.interface import Provider
from providers.s3.client import S3Client
from providers.s3.settings import S3Settings
from providers.seams import Outside, ProviderClock
from providers.transport import Transport
from providers.worker import Worker


class AwsPrediction(PredictionHere):
    """Answers predictions with models of the bucket on this computer, until there is a function for them."""

    kind: ClassVar[ProviderKind] = "aws"


def build_aws_training(settings: AwsSettings, clock: ProviderClock, transport: Transport) -> AwsTraining:
    """Return the training part for one account and region; nothing is asked yet. Its ``client`` serves others too.

    The transport stays the caller's to close.
    """
    return AwsTraining(Client(transport, clock, settings))


def build_aws_storage(settings: AwsSettings, client: Client, transport: Transport) -> AwsStorage:
    """Return the storage part, which signs with the keys of ``client``; nothing is asked yet. Raises Refused."""
    endpoint = client.endpoint("s3")
    s3 = S3Settings(
        endpoint=endpoint.url,
        region=endpoint.region,
        bucket=settings.bucket,
        bucket_in_host=bucket_in_host(settings, settings.bucket),
        write_headers=encryption(settings),
        denied=denials(settings.bucket),
        has_conditions=True,
    )
    return AwsStorage(S3Client(transport, client.clock, s3, client.keys.now), f"{MACHINE_ROOT}/{STORE_FOLDER}")


def build_aws(settings: AwsProviderSettings, outside: Outside, *, near_worker: Worker | None = None) -> Provider:
    """Open the provider; nothing is asked yet. Raises Refused for a region that AWS does not have, OSError."""
    training = build_aws_training(settings, outside.clock, outside.transport)
    storage = build_aws_storage(settings, training.client, outside.transport)
    prediction = build_here(AwsPrediction, settings, storage, outside, near_worker or Worker("aws-near"))
    return Provider(training, storage, prediction, prediction.copies, brought_by(settings.image))
