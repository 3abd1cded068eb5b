"""Notifications: accepted over HTTP and from other domains, delivered by a worker."""
