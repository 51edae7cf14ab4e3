"""Secrets: how they are encrypted, and bound to whose they are."""
