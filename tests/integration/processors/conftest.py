"""Networks in tests wait as they do in a worker."""

# Imported before any test file imports torch, which reads the setting once.
import processors  # noqa: F401 (for what it sets)
