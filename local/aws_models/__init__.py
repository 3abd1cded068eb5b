"""The parameters of AWS's actions, from botocore's service models, and a check of calls."""
