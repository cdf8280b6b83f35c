"""What can be asked for, at what price and within which limits."""
