"""A deterministic simulation of analytics: service, schedules and store code with every fault."""
