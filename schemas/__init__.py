"""Contracts alone: events, API resources, ids, codes. Imports nothing of ours."""
