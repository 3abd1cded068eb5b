"""Access: tenants and their clients, what they requested, and what they changed."""
