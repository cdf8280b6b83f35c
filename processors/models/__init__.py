"""Network definitions and the files that hold their weights."""
