"""The services that functions may call by themselves, as their policies name them."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

_ACTION = re.compile(
    r'"(appconfig|cognito-idp|dynamodb|events|firehose|kinesis|kms|s3|scheduler|secretsmanager|ses'
    r'|sns|ssm|states):[A-Za-z*]+"'
)
# SAM's own policies, such as DynamoDBCrudPolicy, and those that AWS keeps, such as
# AmazonS3ReadOnlyAccess.
_NAMED = re.compile(
    r"\b(?:Amazon|AWS)?(DynamoDB|EventBridge|Firehose|Kinesis|KMS|S3|SES|SNS|SSM|SecretsManager"
    r"|StepFunctions)\w*(?:Policy|Access)\b"
)
_PLACES = {
    "AWS::Serverless::Function": "Policies",
    "AWS::IAM::Role": "Policies",
    "AWS::IAM::Policy": "PolicyDocument",
    "AWS::IAM::ManagedPolicy": "PolicyDocument",
}


def called_services(resources: Iterable[Any]) -> frozenset[str]:
    """Return the names of services in the policies of functions and roles, in lower case."""
    texts = [_policies(each) for each in resources if isinstance(each, Mapping)]
    services = {name for text in texts for name in _ACTION.findall(text) + _NAMED.findall(text)}
    return frozenset(map(str.lower, services))


def _policies(resource: Mapping[str, Any]) -> str:
    properties = resource.get("Properties")
    place = _PLACES.get(str(resource.get("Type")))
    if place is None or not isinstance(properties, Mapping):
        return ""
    return json.dumps(properties.get(place), default=str)
