"""The load test: an open workload, its audit, its verdict. It knows the system by HTTP alone."""
