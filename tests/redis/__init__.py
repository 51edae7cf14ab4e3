"""The Redis adapter on real servers."""
