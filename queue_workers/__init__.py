"""The event source mapping on this machine: queues polled, handlers invoked, messages deleted."""
