"""The queues and topics that SAM makes for destinations of asynchronous events without one.

https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-specification-generated-resources-function.html
"""

from typing import Any

from local.template.generated import FUNCTION

_MADE = {"SQS": ("Queue", "AWS::SQS::Queue"), "SNS": ("Topic", "AWS::SNS::Topic")}


def with_destinations(resources: dict[str, Any]) -> dict[str, Any]:
    """Return the resources with those that SAM makes, which the destinations then name."""
    every = dict(resources)
    for name, resource in resources.items():
        if not isinstance(resource, dict) or resource.get("Type") != FUNCTION:
            continue
        properties = resource.get("Properties")
        config = properties.get("EventInvokeConfig") if isinstance(properties, dict) else None
        named = config.get("DestinationConfig") if isinstance(config, dict) else None
        if not isinstance(properties, dict) or not isinstance(named, dict):
            continue
        destinations = dict(named)
        for event, about in named.items():
            kind = str(about.get("Type")) if isinstance(about, dict) else None
            if kind in _MADE and "Destination" not in about:
                suffix, type_ = _MADE[kind]
                made = f"{name}EventInvokeConfig{event}{suffix}"
                condition = {key: resource[key] for key in ("Condition",) if key in resource}
                every[made] = {"Type": type_, **condition}
                arn = {"Ref": made} if kind == "SNS" else {"Fn::GetAtt": [made, "Arn"]}
                destinations[event] = {**about, "Destination": arn}
        asynchronous = {**config, "DestinationConfig": destinations} if config else config
        every[name] = {**resource, "Properties": {**properties, "EventInvokeConfig": asynchronous}}
    return every
