"""The properties that the emulator's stack passes over, set by the service's own API."""

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.services.making import client
from local.template import Template
from local.template.service_kinds import TABLE


def finish(template: Template, endpoint: str) -> dict[str, str]:
    """Set what tables have besides their keys; return the reasons for what cannot be set."""
    failures = {}
    api = client("dynamodb", endpoint)
    for name, resource in template.made.items():
        if resource["Type"] != TABLE:
            continue
        for about, set_up in (
            ("its time to live cannot be set", _set_time_to_live),
            ("its changes cannot go to a stream", _send_changes_on),
        ):
            try:
                set_up(api, resource["Properties"])
            except (BotoCoreError, ClientError) as error:
                failures[name] = f"{about}: {error}"
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
