"""The Lambda Invoke API, and the invocations that nobody waits for."""
