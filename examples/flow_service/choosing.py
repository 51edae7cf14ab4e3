"""Which flow fits a conversation that begins."""

from collections.abc import Iterable, Mapping

import attrs

from domain.flows import Flow


@attrs.frozen(kw_only=True)
class ConversationStart:
    """What is known when a customer writes first."""

    channel: str
    intent: str | None = None


def best_match(flows: Iterable[Flow], start: ConversationStart) -> Flow | None:
    """The flow whose triggers say the most about this start, or None if none fits.

    Triggers are `{"intents": […], "channels": […]}`. A flow fits if every condition that it has
    holds; one with more conditions is the better match, and among equals the more used one.
    """
    fitting = [flow for flow in flows if _fits(flow.trigger_conditions, start)]
    return max(fitting, key=_rank, default=None)


def _fits(triggers: Mapping[str, object], start: ConversationStart) -> bool:
    known = {"intents": start.intent, "channels": start.channel}
    conditions = {name: triggers[name] for name in known if name in triggers}
    return bool(conditions) and all(
        isinstance(admitted, list) and known[name] in admitted
        for name, admitted in conditions.items()
    )


def _rank(flow: Flow) -> tuple[int, int, str]:
    return len(flow.trigger_conditions), flow.usage_count, flow.id.hex
