"""What a process keeps for itself, in front of any store."""
