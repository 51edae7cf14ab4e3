"""The wheel and the compose file."""
