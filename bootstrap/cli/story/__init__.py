"""The demo's story: what a tenant does with its data, step by step, every figure computed."""

from collections.abc import AsyncIterator
from datetime import datetime

from bootstrap.cli.story.beneath import Beneath, beneath
from bootstrap.cli.story.conversations import ConversationChapter
from bootstrap.cli.story.experiments import ExperimentChapter
from bootstrap.cli.story.flows import FlowChapter
from bootstrap.cli.story.integrations import IntegrationChapter
from bootstrap.cli.story.moments import MomentChapter
from bootstrap.cli.story.scenes import Bar, Plot, Step, Table
from bootstrap.cli.story.trust import TrustChapter
from bootstrap.platform import Platform

__all__ = ["Bar", "Beneath", "Plot", "Step", "Table", "beneath", "story"]


async def story(
    platform: Platform, tenant: str, now: datetime, beneath: Beneath
) -> AsyncIterator[Step]:
    """The scenes of one run, in a tenant of its own; each is played when it is asked for."""
    for chapter in (
        FlowChapter(platform, tenant, now),
        ConversationChapter(platform, tenant, now),
        MomentChapter(platform, tenant),
        ExperimentChapter(platform, tenant),
        IntegrationChapter(platform, tenant, beneath),
        TrustChapter(platform, tenant, beneath),
    ):
        for scene in chapter.scenes():
            yield await scene()
