"""Webhooks: the endpoints of tenants, the events sent to them, and the log of deliveries."""
