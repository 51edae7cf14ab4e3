"""Cached flows: several processes, failures of the shared cache, and what is remembered."""
