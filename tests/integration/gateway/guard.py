"""An authorizer function for templates, and what it answers: a policy for the caller `ann`."""

from typing import Any

# How a template begins; its API and the functions behind it follow.
GUARDED = """
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: {Runtime: python3.13, CodeUri: functions/, Timeout: 5}
Resources:
  Guard:
    Type: AWS::Serverless::Function
    Properties: {Handler: app.guard}
"""


def policy(effect: str, resource: Any, **context: Any) -> dict[str, Any]:
    """Return an answer of one statement, with `context` for the function behind it."""
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    return {"principalId": "ann", "policyDocument": document, "context": context}
