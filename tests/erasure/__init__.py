"""Erasures over real stores: no trace is left, however they were killed and whoever writes on."""
