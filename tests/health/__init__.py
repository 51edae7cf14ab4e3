"""What is found when a platform, and the servers below it, are looked at."""
