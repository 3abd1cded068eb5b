"""The properties that the emulator's stack passes over, set by the service's own API."""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.services.making import client
from local.template import Template
from local.template.service_kinds import ACTIVITY, BUCKET, GLOBAL_TABLE, TABLE


def finish(template: Template, endpoint: str) -> dict[str, str]:
    """Set what tables and buckets have besides; return the reasons for what cannot be set."""
    failures = {}
    for name, resource in template.made.items():
        for kinds, service, about, set_up in _STEPS:
            if resource["Type"] not in kinds:
                continue
            try:
                set_up(client(service, endpoint), resource["Properties"])
            except (BotoCoreError, ClientError) as error:
                failures[name] = f"its {about} cannot be set: {error}"
    return failures


def _set_time_to_live(api: Any, table: dict[str, Any]) -> None:
    lifetime = table.get("TimeToLiveSpecification")
    if not lifetime:
        return
    name = table["TableName"]
    now = api.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    is_on = str(lifetime.get("Enabled")).lower() == "true"
    if is_on != (now["TimeToLiveStatus"] == "ENABLED"):
        changed = {"AttributeName": str(lifetime.get("AttributeName")), "Enabled": is_on}
        api.update_time_to_live(TableName=name, TimeToLiveSpecification=changed)


def _send_changes_on(api: Any, table: dict[str, Any]) -> None:
    """Have the changes of a table go to the Kinesis stream that it names, and to no other."""
    name, wanted = table["TableName"], table.get("KinesisStreamSpecification") or {}
    arn = wanted.get("StreamArn")
    described = api.describe_kinesis_streaming_destination(TableName=name)
    active = [
        each["StreamArn"]
        for each in described.get("KinesisDataStreamDestinations", ())
        if each["DestinationStatus"] == "ACTIVE"
    ]
    for other in active:
        if other != arn:
            api.disable_kinesis_streaming_destination(TableName=name, StreamArn=other)
    if arn and arn not in active:
        api.enable_kinesis_streaming_destination(TableName=name, StreamArn=arn)


def _set_cors(api: Any, bucket: dict[str, Any]) -> None:
    rules = (bucket.get("CorsConfiguration") or {}).get("CorsRules")
    if not rules:
        return
    names = {"ExposedHeaders": "ExposeHeaders", "Id": "ID", "MaxAge": "MaxAgeSeconds"}
    cors = [{names.get(name, name): value for name, value in rule.items()} for rule in rules]
    for rule in cors:
        if "MaxAgeSeconds" in rule:
            rule["MaxAgeSeconds"] = int(rule["MaxAgeSeconds"])
    api.put_bucket_cors(Bucket=bucket["BucketName"], CORSConfiguration={"CORSRules": cors})


def _set_website(api: Any, bucket: dict[str, Any]) -> None:
    website = bucket.get("WebsiteConfiguration") or {}
    documents = {
        theirs: {key: website[ours]}
        for ours, theirs, key in (
            ("IndexDocument", "IndexDocument", "Suffix"),
            ("ErrorDocument", "ErrorDocument", "Key"),
        )
        if ours in website
    }
    if documents:
        name = bucket["BucketName"]
        api.put_bucket_website(Bucket=name, WebsiteConfiguration=documents)


def _make_activity(api: Any, activity: dict[str, Any]) -> None:
    """Make an activity of state machines, which the emulator's stack does not know."""
    api.create_activity(name=activity["Name"])


_TABLES = (TABLE, GLOBAL_TABLE)
_STEPS: tuple[tuple[tuple[str, ...], str, str, Callable[[Any, dict[str, Any]], None]], ...] = (
    (_TABLES, "dynamodb", "time to live", _set_time_to_live),
    (_TABLES, "dynamodb", "stream of changes", _send_changes_on),
    ((BUCKET,), "s3", "CORS", _set_cors),
    ((BUCKET,), "s3", "website", _set_website),
    ((ACTIVITY,), "stepfunctions", "activity", _make_activity),
)
