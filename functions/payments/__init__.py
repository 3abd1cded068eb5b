"""Payments: accepted over HTTP, settled with the provider by a worker."""
