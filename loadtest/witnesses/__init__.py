"""The witnesses of a run: system, provider and mailbox, and the audit that compares them."""
