"""Subscription filters on the logs of functions."""

from collections.abc import Iterator, Mapping

from local.template.log_patterns import UnknownPattern, compile_pattern
from local.template.model import Function, LogSubscription
from local.template.resources import SUBSCRIPTION_FILTER, Resources

_DESTINATIONS = ("arn:aws:lambda:", "arn:aws:kinesis:", "arn:aws:firehose:")


def read_log_subscriptions(
    resources: Resources, functions: Mapping[str, Function]
) -> Iterator[LogSubscription]:
    """Yield each filter on the log of a function; a warning names the others."""
    groups = {
        each.logging.group or f"/aws/lambda/{each.name}": name for name, each in functions.items()
    }
    for name in resources.of_type(SUBSCRIPTION_FILTER):
        block = resources.properties(name)
        group = str(block.look("LogGroupName"))
        destination = str(block.look("DestinationArn"))
        pattern = str(block.look("FilterPattern") or "")
        if group not in groups:
            block.warn("LogGroupName", "is no function's log here, so nobody gets its lines")
            continue
        if not destination.startswith(_DESTINATIONS):
            block.warn("DestinationArn", "is nothing that is here, so nobody gets the lines")
            continue
        try:
            compile_pattern(pattern)
        except UnknownPattern as error:
            block.warn("FilterPattern", str(error))
            continue
        yield LogSubscription(
            name=str(block.look("FilterName") or name),
            group=group,
            function=groups[group],
            destination=destination,
            pattern=pattern,
        )
