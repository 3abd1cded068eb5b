"""Faults during a load run: their words, their making, and the failures that they explain."""
