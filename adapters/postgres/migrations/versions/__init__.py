"""One file a migration, numbered; applied in order, and never changed once released."""
