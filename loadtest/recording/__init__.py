"""The recording of a run by the second: machine, processes, queues, and causes of its faults."""
