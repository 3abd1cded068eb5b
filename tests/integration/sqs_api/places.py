"""The URLs of the template's queues."""

BASE = "http://sqs.local/000000000000/"
URL = f"{BASE}jobs"
FAILED = f"{BASE}failed"
STEPS = f"{BASE}steps.fifo"
PATIENT = f"{BASE}patient"
