"""Clouds that are believed as soon as their emulators on this computer may be."""

from __future__ import annotations

from collections.abc import Mapping


def quicken(timings: Mapping[str, float]) -> None:
    """Let every provider of a cloud that is opened in this process have these timings, by name, in seconds."""
    from providers.aws.settings import AWS_TIMINGS, AwsProviderSettings, AwsSettings
    from providers.runpod.provider import RunPodProviderSettings
    from providers.runpod.settings import RUNPOD_TIMINGS, RunPodSettings

    for models, usual in (
        ((RunPodSettings, RunPodProviderSettings), RUNPOD_TIMINGS),
        ((AwsSettings, AwsProviderSettings), AWS_TIMINGS),
    ):
        for model in models:
            model.model_fields["timings"].default = usual.model_copy(update=timings)
            model.model_rebuild(force=True)
