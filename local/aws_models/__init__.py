"""The parameters of AWS's actions, from botocore's service models, and the check of calls by them."""
