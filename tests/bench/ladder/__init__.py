"""The cost of one request, a part of the backend more on each rung."""
