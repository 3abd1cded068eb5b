"""The console: its page, its metrics, and the data that both show."""
