"""Bulk transfer between a folder and an account's prefixes in the object store."""
