"""What containers need: their keys, health checks, reload, and the image's share of the lock."""
