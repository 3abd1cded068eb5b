"""Sample events, one of each source, as AWS gives them to a function; a JSON file each."""

from pathlib import Path

# The sentence of each, by name.
EVENTS = {
    "api": "request of a REST API",
    "http-api": "request of an HTTP API, payload 2.0",
    "function-url": "request of a function URL",
    "alb": "request of a load balancer",
    "authorizer-token": "question to a TOKEN authorizer",
    "authorizer-request": "question to a REQUEST authorizer",
    "sqs": "message of a queue",
    "sqs-fifo": "message of a FIFO queue",
    "schedule": "time of a schedule",
    "eventbridge": "event of a bus",
    "s3": "new object in a bucket",
    "sns": "message of a topic",
    "dynamodb": "stream of a table: new, changed and deleted item",
    "kinesis": "record of a Kinesis stream",
    "firehose": "record that Firehose has transformed",
    "kafka": "record of a Kafka topic",
    "logs": "lines of a log group, by a subscription filter",
    "cognito": "user pool: a user has confirmed",
    "cognito-pre-sign-up": "user pool: a user is about to sign up",
    "cognito-pre-token": "user pool: a token is about to be made",
    "ses": "mail that SES has received",
    "custom-resource": "custom resource that CloudFormation creates",
    "secret-rotation": "first step of a secret's rotation",
}


def text(name: str) -> str:
    """Return the JSON of an event, which must be one of EVENTS."""
    return Path(__file__).with_name(f"{name}.json").read_text(encoding="utf-8")
