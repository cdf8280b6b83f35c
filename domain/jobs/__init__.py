"""Jobs, their transitions, the outbox and idempotency."""
