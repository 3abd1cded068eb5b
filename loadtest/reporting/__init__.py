"""The reports: one run as JSON and as a page, two side by side, all in a list."""
