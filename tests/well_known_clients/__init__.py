"""Well-known clients, unchanged, against this machine's SQS, Lambda and documents."""
