"""Fault drills: real faults under real load, each with the evidence that the fault happened."""
