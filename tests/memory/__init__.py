"""What only the memory adapter does: units that would wait for each other in PostgreSQL."""
