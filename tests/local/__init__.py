"""What a process keeps for itself."""
