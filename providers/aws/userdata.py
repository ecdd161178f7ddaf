"""What an instance is started with (design.md 7). Placeholder until the machine's side is written."""

from __future__ import annotations

from messages.machines import LaunchRequest
from providers.aws.settings import AwsSettings


def user_data(_: LaunchRequest, __: AwsSettings) -> bytes:
    """Return the script."""
    return b"#!/bin/sh\nexit 0\n"
