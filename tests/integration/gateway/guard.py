"""What an authorizer function answers: a policy for the caller `ann`."""

from typing import Any


def policy(effect: str, resource: Any, **context: Any) -> dict[str, Any]:
    """An answer of one statement, with `context` for the function behind it."""
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    return {"principalId": "ann", "policyDocument": document, "context": context}
