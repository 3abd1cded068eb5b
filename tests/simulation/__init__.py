"""A deterministic simulation of payments: the real service on a virtual clock, with every fault."""
