"""Adapters with one fault each, and the contract that must find it."""
