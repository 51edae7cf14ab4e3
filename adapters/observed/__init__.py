"""What stands before any store's ports and observes their operations: logs, spans, metrics.

It is there only where the settings ask for it; otherwise the stores' own ports are handed out.
"""
