"""The collapse, replayed: the predecessor's faults, switched on one by one."""
