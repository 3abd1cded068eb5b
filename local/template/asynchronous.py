"""The settings of a function's asynchronous events: retries, age, destinations, dead letters."""

from collections.abc import Callable, Mapping

from local.template.intrinsics import UNKNOWN
from local.template.model import Asynchronous, Target
from local.template.reader import Properties

DEFAULTS = Asynchronous()
NameOf = Callable[[str], str | None]


def read_asynchronous(block: Properties, names: Mapping[str, NameOf]) -> Asynchronous:
    """Read a function's EventInvokeConfig and DeadLetterQueue.

    `names` gives the name of an ARN by kind: of a queue for SQS, a logical id for Lambda, for SNS
    and EventBridge the ARN itself.
    """
    config = block.block("EventInvokeConfig")
    destinations = config.block("DestinationConfig")
    asynchronous = Asynchronous(
        retries_max=config.integer(
            "MaximumRetryAttempts", DEFAULTS.retries_max, lowest=0, highest=2
        ),
        age_max_s=config.integer(
            "MaximumEventAgeInSeconds", DEFAULTS.age_max_s, lowest=60, highest=21_600
        ),
        on_success=_target(destinations, "OnSuccess", "Destination", names),
        on_failure=_target(destinations, "OnFailure", "Destination", names),
        dead_letter=_target(
            *(block, "DeadLetterQueue", "TargetArn"),
            {kind: names[kind] for kind in ("SQS", "SNS")},
        ),
    )
    destinations.finish()
    config.finish()
    return asynchronous


def _target(
    block: Properties, name: str, arn_name: str, names: Mapping[str, NameOf]
) -> Target | None:
    if name not in block:
        return None
    target = block.block(name)
    if arn_name not in target:
        target.refuse(arn_name, "is missing, and SAM makes none for this Type; add one and name it")
        return None
    arn = target.left(arn_name)
    if arn is not UNKNOWN:
        arn = target.as_text(arn_name, arn)
    target.take("Type")  # the ARN says it too
    target.finish()
    for kind, name_of in names.items():
        if (target_name := name_of(arn)) is not None:
            if target_name.endswith(".fifo"):
                raise block.error(name, "cannot be a FIFO queue; use a standard one")
            return Target(kind=kind, name=target_name)
    kinds = " or ".join(names)
    block.refuse(name, f"{arn} is no {kinds} of this template, which alone are emulated")
    return None
