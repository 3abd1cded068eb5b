"""The resources that other services of AWS make at the start, and what refers to them gets.

A name or ARN that follows from the template is given here; what only the service knows, such as the
id of a user pool, is a placeholder until the service has said it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

SIMPLE_TABLE = "AWS::Serverless::SimpleTable"
SAM_STATE_MACHINE = "AWS::Serverless::StateMachine"
TABLE = "AWS::DynamoDB::Table"
GLOBAL_TABLE = "AWS::DynamoDB::GlobalTable"
BUCKET = "AWS::S3::Bucket"
TOPIC = "AWS::SNS::Topic"
SUBSCRIPTION = "AWS::SNS::Subscription"
RULE = "AWS::Events::Rule"
SCHEDULE = "AWS::Scheduler::Schedule"
PIPE = "AWS::Pipes::Pipe"
ACTIVITY = "AWS::StepFunctions::Activity"
BUS = "AWS::Events::EventBus"
PARAMETER = "AWS::SSM::Parameter"
STREAM = "AWS::Kinesis::Stream"
USER_POOL = "AWS::Cognito::UserPool"
# What a pool's LambdaConfig may have and no action of the services here calls.
UNCALLED_TRIGGERS = (
    *("PreAuthentication", "PostAuthentication", "UserMigration", "CustomEmailSender"),
    "CustomSMSSender",
)
STATE_MACHINE = "AWS::StepFunctions::StateMachine"
CUSTOM = "AWS::CloudFormation::CustomResource"

# For a reader before the services run: placeholders stay, and are no reason for a warning.
PENDING: Mapping[str, str] = MappingProxyType({})
PLACEHOLDER = re.compile(r"\{\{(?:made|resolve):[^{}]+\}\}")
NAME_MIN = 3  # letters of the name of a table or bucket
_NOT_OF_A_BUCKET = re.compile(r"[^a-z0-9.-]")


@dataclass(frozen=True, slots=True)
class Kind:
    """One type of resource: the property with its name, what `!Ref` and `!GetAtt` give.

    In the texts stand {name}, {id} for the logical id, {region}, and {at} for region and account.
    """

    name: str = ""
    ref: str = ""  # a placeholder where it is empty
    attributes: Mapping[str, str] = field(default_factory=dict)


def _named(property: str, arn: str = "", **attributes: str) -> Kind:
    return Kind(property, "{name}", {**({"Arn": arn} if arn else {}), **attributes})


_TABLE_ARN = "arn:aws:dynamodb:{at}:table/{name}"
_TOPIC_ARN = "arn:aws:sns:{at}:{name}"
_MACHINE_ARN = "arn:aws:states:{at}:stateMachine:{name}"
_ACTIVITY_ARN = "arn:aws:states:{at}:activity:{name}"
KINDS: Mapping[str, Kind] = {
    TABLE: _named("TableName", _TABLE_ARN, StreamArn=f"{_TABLE_ARN}/stream/local"),
    GLOBAL_TABLE: _named("TableName", _TABLE_ARN, StreamArn=f"{_TABLE_ARN}/stream/local"),
    BUCKET: _named(
        "BucketName",
        "arn:aws:s3:::{name}",
        DomainName="{name}.s3.amazonaws.com",
        RegionalDomainName="{name}.s3.{region}.amazonaws.com",
        WebsiteURL="http://{name}.s3-website-{region}.amazonaws.com",
    ),
    TOPIC: Kind(
        "TopicName", _TOPIC_ARN, {"Arn": _TOPIC_ARN, "TopicArn": _TOPIC_ARN, "TopicName": "{name}"}
    ),
    SUBSCRIPTION: Kind(),
    RULE: _named("Name", "arn:aws:events:{at}:rule/{name}"),
    BUS: _named("Name", "arn:aws:events:{at}:event-bus/{name}", Name="{name}"),
    SCHEDULE: _named("Name"),
    "AWS::Scheduler::ScheduleGroup": _named("Name"),
    PIPE: _named("Name", "arn:aws:pipes:{at}:pipe/{name}"),
    STREAM: _named("Name", "arn:aws:kinesis:{at}:stream/{name}"),
    "AWS::KinesisFirehose::DeliveryStream": _named(
        "DeliveryStreamName", "arn:aws:firehose:{at}:deliverystream/{name}"
    ),
    STATE_MACHINE: Kind("StateMachineName", _MACHINE_ARN, {"Arn": _MACHINE_ARN, "Name": "{name}"}),
    ACTIVITY: Kind("Name", _ACTIVITY_ARN, {"Arn": _ACTIVITY_ARN, "Name": "{name}"}),
    "AWS::SecretsManager::Secret": Kind("Name", "{{{{made:{id}.Id}}}}"),
    PARAMETER: _named("Name"),
    "AWS::KMS::Key": Kind(),
    "AWS::KMS::Alias": _named("AliasName"),
    USER_POOL: Kind("UserPoolName"),
    "AWS::Cognito::UserPoolClient": Kind("ClientName"),
    "AWS::Cognito::UserPoolDomain": _named("Domain"),
    "AWS::Cognito::UserPoolGroup": _named("GroupName"),
    "AWS::Cognito::UserPoolResourceServer": _named("Identifier"),
    "AWS::Cognito::IdentityPool": Kind("IdentityPoolName"),
    "AWS::SES::EmailIdentity": _named("EmailIdentity"),
    "AWS::SES::ConfigurationSet": _named("Name"),
    "AWS::AppConfig::Application": Kind("Name"),
    "AWS::AppConfig::Environment": Kind("Name"),
    "AWS::AppConfig::ConfigurationProfile": Kind("Name"),
    "AWS::AppConfig::HostedConfigurationVersion": Kind(),
    "AWS::AppConfig::DeploymentStrategy": Kind("Name"),
    "AWS::AppConfig::Deployment": Kind(),
    CUSTOM: Kind(),
}


# Resources that are not made here, though others may name them.
ONLY_NAMED: Mapping[str, Kind] = {
    "AWS::IAM::Role": _named("RoleName", "arn:aws:iam::{account}:role/{name}"),
    "AWS::IAM::User": _named("UserName", "arn:aws:iam::{account}:user/{name}"),
    "AWS::Logs::LogGroup": _named("LogGroupName", "arn:aws:logs:{at}:log-group:{name}:*"),
}
NAMED = {**KINDS, **ONLY_NAMED}
# Properties with an effect on AWS that the services here pass over.
IGNORED: Mapping[str, tuple[str, ...]] = {
    GLOBAL_TABLE: ("VectorIndexes",),
    TABLE: ("ImportSourceSpecification", "VectorIndexes"),
    BUCKET: (
        *("InventoryConfigurations", "LifecycleConfiguration", "LoggingConfiguration"),
        *("ObjectLockConfiguration", "ReplicationConfiguration"),
    ),
    TOPIC: ("ArchivePolicy", "ContentBasedDeduplication", "DataProtectionPolicy", "FifoTopic"),
    SUBSCRIPTION: ("DeliveryPolicy", "RedrivePolicy", "ReplayPolicy"),
    BUS: ("DeadLetterConfig", "EventSourceName"),
    SCHEDULE: ("EndDate", "ScheduleExpressionTimezone", "StartDate"),
}


def name_by_default(kind: str, logical_id: str) -> str:
    """Return the name of a resource that the template gives none."""
    if kind in (TABLE, GLOBAL_TABLE):
        return logical_id.ljust(NAME_MIN, "0")
    if kind != BUCKET:
        return logical_id
    return _NOT_OF_A_BUCKET.sub("", logical_id.lower()).ljust(NAME_MIN, "0")[:63]


def placeholder(logical_id: str, attribute: str = "") -> str:
    """Return the text that stands for what only the service knows."""
    return f"{{{{made:{logical_id}{'.' if attribute else ''}{attribute}}}}}"


def filled(text: str, value_of: Callable[[str], str | None]) -> str:
    """Return `text` with each placeholder replaced that has a value."""
    return PLACEHOLDER.sub(lambda match: value_of(match[0]) or match[0], text)


def said_as_cloudformation(resource: Any) -> Any:
    """Return a resource of SAM that another service makes in CloudFormation's own words."""
    kind = resource.get("Type") if isinstance(resource, dict) else None
    if kind == SIMPLE_TABLE:
        return {**resource, "Type": TABLE, "Properties": _table(resource.get("Properties") or {})}
    if kind == SAM_STATE_MACHINE:
        properties = {**(resource.get("Properties") or {})}
        for theirs, ours in (("Name", "StateMachineName"), ("Type", "StateMachineType")):
            if theirs in properties:
                properties[ours] = properties.pop(theirs)
        return {**resource, "Type": STATE_MACHINE, "Properties": properties}
    if str(kind).startswith("Custom::"):
        return {**resource, "Type": CUSTOM, "ResourceType": kind}
    return resource


def _table(simple: dict[str, Any]) -> dict[str, Any]:
    key = {"Name": "id", "Type": "String", **(simple.get("PrimaryKey") or {})}
    kinds = {"String": "S", "Number": "N", "Binary": "B"}
    table: dict[str, Any] = {
        "AttributeDefinitions": [
            {
                "AttributeName": key["Name"],
                "AttributeType": kinds.get(str(key["Type"]), key["Type"]),
            }
        ],
        "KeySchema": [{"AttributeName": key["Name"], "KeyType": "HASH"}],
    }
    if "ProvisionedThroughput" in simple:
        table["ProvisionedThroughput"] = simple["ProvisionedThroughput"]
    else:
        table["BillingMode"] = "PAY_PER_REQUEST"
    return {**table, **({"TableName": simple["TableName"]} if "TableName" in simple else {})}
