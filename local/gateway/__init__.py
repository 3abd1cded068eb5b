"""API Gateway on this machine: HTTP in, REST events to execution environments, answers out."""
