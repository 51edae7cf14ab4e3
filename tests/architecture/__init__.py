"""The shape of the code base: who may import whom, and what every file has."""
