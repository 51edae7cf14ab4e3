"""Rows of the chat API: how many messages a second it answers on real stores, against the same
endpoint without any data, and where the time goes.

Servers of its own are started, durable ones, whatever else is named. Workers, servers and clients
share the machine's processors, as they do in a small deployment; so the figures are of all of them.
"""

from benchmarks.chat_api.runs import rows

__all__ = ["rows"]
