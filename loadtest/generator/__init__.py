"""The open-workload generator: the schedule, its requests, and the connections that send them."""
