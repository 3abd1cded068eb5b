"""Functions that misbehave in every way we know of, beside one that does not."""
