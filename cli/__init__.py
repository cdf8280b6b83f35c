"""The `picmend` command."""
