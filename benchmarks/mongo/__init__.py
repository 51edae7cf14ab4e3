"""Rows of MongoDB: on each driver, against the same driver bare, and against Beanie."""
