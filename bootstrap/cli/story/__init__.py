"""The demo's story: what a tenant does with its data, step by step, every figure computed."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from datetime import datetime

from bootstrap.cli.story.beneath import Beneath, beneath
from bootstrap.cli.story.conversations import ConversationChapter
from bootstrap.cli.story.experiments import ExperimentChapter
from bootstrap.cli.story.figures import FigureChapter
from bootstrap.cli.story.flows import FlowChapter
from bootstrap.cli.story.forgetting import ForgettingChapter
from bootstrap.cli.story.integrations import IntegrationChapter
from bootstrap.cli.story.keeping import KeepingChapter
from bootstrap.cli.story.moments import MomentChapter
from bootstrap.cli.story.scenes import Bar, Plot, Step, Table
from bootstrap.cli.story.trust import TrustChapter
from bootstrap.platform import Platform

__all__ = ["Bar", "Beneath", "Plot", "Step", "Table", "beneath", "story"]


async def story(
    platform: Platform, tenant: str, now: datetime, beneath: Beneath
) -> AsyncGenerator[Step, None]:
    """The scenes of one run, in a tenant of its own; each is played when it is asked for.

    To be closed by whoever doesn't hear it to its end (`contextlib.aclosing`).
    """
    async with AsyncExitStack() as stack:
        forgetting = ForgettingChapter(platform, tenant)
        stack.push_async_callback(forgetting.close)
        keeping = KeepingChapter(platform, tenant)
        stack.push_async_callback(keeping.close)
        for scenes in (
            FlowChapter(platform, tenant, now).scenes(),
            ConversationChapter(platform, tenant, now).scenes(),
            forgetting.first(),
            MomentChapter(platform, tenant).scenes(),
            ExperimentChapter(platform, tenant).scenes(),
            IntegrationChapter(platform, tenant, beneath).scenes(),
            TrustChapter(platform, tenant, beneath).scenes(),
            FigureChapter(platform, tenant, now).scenes(),
            forgetting.last(),
            keeping.scenes(),
        ):
            for scene in scenes:
                yield await scene()
