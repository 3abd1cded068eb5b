"""A handler that tells what payments ask: whether anybody listens to a tenant's events."""

from backend import announcer


def handler(event, context):
    return announcer.has_endpoint(event["tenant"])
