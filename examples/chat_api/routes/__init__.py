"""What the service does over HTTP. Handlers ask for what they need, and say what is answered."""
