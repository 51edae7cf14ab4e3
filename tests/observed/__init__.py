"""What is told of operations: logs, spans, metrics; and what isn't."""
