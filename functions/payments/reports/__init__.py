"""Reports of a period: asked for over HTTP, built step by step by a schedule, kept as files."""
