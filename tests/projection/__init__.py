"""Executions that are counted once, though processes are killed."""
