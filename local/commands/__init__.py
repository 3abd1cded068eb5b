"""The commands of `python -m local` that ask about, or change, one system."""
