"""The parts that domains share: settings, errors, entry points, store, idempotency, tokens."""
