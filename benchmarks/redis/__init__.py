"""The rows of Redis: our ports beside plain redis-py and libraries that do the same."""
