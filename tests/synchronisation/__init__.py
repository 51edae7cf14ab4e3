"""Execution states that outlive a server that loses everything, and processes that are killed."""
