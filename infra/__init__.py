"""Real servers and the outside."""
