"""Benchmarks: each prints its figures as JSON lines, then as a table."""
