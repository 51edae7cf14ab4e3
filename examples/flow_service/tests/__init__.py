"""The service's own tests: the same on memory and on PostgreSQL."""
