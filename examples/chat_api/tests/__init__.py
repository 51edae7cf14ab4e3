"""The service's own tests: the same in memory and on real servers."""
