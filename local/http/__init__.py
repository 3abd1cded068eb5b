"""The one HTTP server: parsing, limits and same-origin rules for every part that answers HTTP."""
