"""Deterministic simulations: the real services on a virtual clock, with every fault."""
