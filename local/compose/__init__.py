"""The needs of containers: keys, health checks, reload, and the image's share of the lock."""
