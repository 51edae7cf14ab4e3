"""Dialogue data in MongoDB: one document an entity, majority writes, transactions.

Only `driver` knows which driver carries it.
"""
