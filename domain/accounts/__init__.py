"""Who the clients are, and their credentials."""
