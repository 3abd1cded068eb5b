"""A handler that tells what payments ask: whether anybody listens to a tenant's events."""

from backend import audience


def handler(event, context):
    return audience.has_endpoint(event["tenant"])
