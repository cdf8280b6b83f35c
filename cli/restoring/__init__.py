"""Restoring files of this machine, without a server."""
