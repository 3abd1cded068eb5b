"""The properties that the emulator's stack passes over, set by the service's own API."""

from botocore.exceptions import BotoCoreError, ClientError

from local.services.making import client
from local.template import Template
from local.template.service_kinds import TABLE


def finish(template: Template, endpoint: str) -> dict[str, str]:
    """Set the time to live of tables; return the reasons for what cannot be set."""
    failures = {}
    api = client("dynamodb", endpoint)
    for name, resource in template.made.items():
        properties = resource["Properties"]
        lifetime = properties.get("TimeToLiveSpecification")
        if resource["Type"] != TABLE or not lifetime:
            continue
        table = properties["TableName"]
        try:
            now = api.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
            is_on = str(lifetime.get("Enabled")).lower() == "true"
            if is_on != (now["TimeToLiveStatus"] == "ENABLED"):
                changed = {"AttributeName": str(lifetime.get("AttributeName")), "Enabled": is_on}
                api.update_time_to_live(TableName=table, TimeToLiveSpecification=changed)
        except (BotoCoreError, ClientError) as error:
            failures[name] = f"its time to live cannot be set: {error}"
    return failures
