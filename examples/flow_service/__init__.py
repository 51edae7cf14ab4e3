"""A service that publishes conversation flows and chooses the one for a conversation.

`service.py` is what an application would write; `choosing.py` is its one rule, without any I/O.
Its tests run on the memory profile and, without a line changed, on PostgreSQL.
"""

from examples.flow_service.choosing import ConversationStart
from examples.flow_service.service import FlowService, NoFlowError

__all__ = ["ConversationStart", "FlowService", "NoFlowError"]
