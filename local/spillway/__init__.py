"""The knowledge of this backend and of no other template."""
