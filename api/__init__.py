"""The HTTP API: routers parse, call a domain service, present."""
