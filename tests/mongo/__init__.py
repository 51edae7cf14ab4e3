"""The MongoDB adapter, beyond its contracts."""
