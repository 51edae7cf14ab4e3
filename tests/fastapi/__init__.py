"""What services in FastAPI get: errors, scopes, limits, sessions, health, streams."""
