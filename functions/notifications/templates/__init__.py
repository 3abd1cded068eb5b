"""Templates: the built-in ones, and tenants' own with their versions and their language."""
