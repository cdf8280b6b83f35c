"""Benchmarks: each prints its figures as JSON lines, then as a table."""

# Imported before torch and ncnn, which read once how their idle threads wait: both alike.
import processors  # noqa: F401 (for what it sets)
