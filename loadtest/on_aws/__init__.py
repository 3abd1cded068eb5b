"""The estimate of a run on AWS: concurrency, cold starts, throttles and cost."""
