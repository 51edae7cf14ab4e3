"""The Redis adapter: what lives for a while, on Valkey or Redis, alone or as a cluster.

Imports the driver; nothing that doesn't choose this store imports it.
"""
