"""The things that every long-running process has: arguments, logs, and an end."""
