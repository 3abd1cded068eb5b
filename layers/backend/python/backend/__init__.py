"""What the domains share: settings, errors, entry points, queues, store, idempotency, tokens."""
