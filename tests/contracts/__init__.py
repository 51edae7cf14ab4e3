"""The contracts, run on our own adapters."""
