"""Suppressions: the recipients not to write to, and the ways they come to be."""
