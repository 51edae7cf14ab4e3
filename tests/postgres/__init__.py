"""What the shared contracts can't see of the PostgreSQL store: plans, faults, corruption."""
