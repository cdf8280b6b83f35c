"""The HTTP API: routers parse, call one service, and present what came of it."""
