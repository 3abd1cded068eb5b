"""The embedded MongoDB: the part of its wire protocol that the stores use, over SQLite.

Whatever is not implemented is refused by name, as MongoDB refuses what it does not know.
"""
