"""Processes of their own for code that parses or may crash on what strangers send."""
