"""The world outside the system: a payment provider and a mailbox, each a process of its own."""
