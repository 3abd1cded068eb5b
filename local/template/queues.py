"""Queues and event source mappings of a template, with the limits that AWS sets them."""

import json
import re
from collections.abc import Callable, Sequence
from collections.abc import Mapping as ReadOnlyDict

from local.template import support
from local.template.intrinsics import UNKNOWN
from local.template.model import Function, Mapping, Queue
from local.template.patterns import PatternError, PatternNotEmulated, compile_filters
from local.template.reader import Properties

FILTERS_MAX = 5
SOURCES_MAX = 10
REDRIVE_PERMISSIONS = ("allowAll", "denyAll", "byQueue")
KMS = ("KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds")
FIFO_CHOICES = {  # attributes of a FIFO queue with their values, the default first
    "DeduplicationScope": ("queue", "messageGroup"),
    "FifoThroughputLimit": ("perQueue", "perMessageGroupId"),
}
_QUEUE_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")


def read_queue(block: Properties, name: str, name_of: Callable[[str], str | None]) -> Queue:
    """Return the queue of that name; `name_of` gives a queue's name by its ARN."""
    is_fifo = block.flag("FifoQueue", False)
    if not _QUEUE_NAME.fullmatch(name.removesuffix(".fifo")) or len(name) > 80:
        raise block.error("QueueName", f"{name!r} has to be 1 to 80 of A-Z a-z 0-9 - _")
    if name.endswith(".fifo") != is_fifo:
        raise block.error("FifoQueue", f"a FIFO queue's name ends in .fifo, {name} has to agree")
    deduplicates_content, scope, throughput = _of_fifo(block, is_fifo)
    dead_letter, max_receive_count = _redrive(block.block("RedrivePolicy"), name, name_of)
    others = _of_encryption(block)
    sources = _sources(block.block("RedriveAllowPolicy"), others)
    queue = Queue(
        logical_id=block.resource,
        name=name,
        visibility_timeout_s=block.integer("VisibilityTimeout", 30, lowest=0, highest=43_200),
        delay_s=block.integer("DelaySeconds", 0, lowest=0, highest=900),
        retention_s=block.integer("MessageRetentionPeriod", 345_600, lowest=60, highest=1_209_600),
        max_receive_count=max_receive_count,
        dead_letter=dead_letter,
        message_bytes_max=block.integer(
            "MaximumMessageSize", 1_048_576, lowest=1024, highest=1_048_576
        ),
        wait_s=block.integer("ReceiveMessageWaitTimeSeconds", 0, lowest=0, highest=20),
        deduplicates_content=deduplicates_content,
        deduplicates_by_group=scope == "messageGroup",
        throughput_limit=throughput,
        is_encrypted_by_sqs=block.flag("SqsManagedSseEnabled", KMS[0] not in others),
        others=others,
        tags=_tags(block),
        sources=sources,
    )
    if queue.is_encrypted_by_sqs and KMS[0] in others:
        raise block.error("SqsManagedSseEnabled", f"excludes {KMS[0]}; remove one")
    block.finish()
    return queue


def refused_redrive(queues: ReadOnlyDict[str, Queue], arns: ReadOnlyDict[str, str]) -> str | None:
    """Return the queue whose dead letters another does not take, None if there is none."""
    by_name = {queue.name: queue for queue in queues.values()}
    by_id = {logical_id: arn for arn, logical_id in arns.items()}
    for queue in queues.values():
        target = by_name.get(queue.dead_letter or "")
        if target and target.sources is not None and by_id[queue.logical_id] not in target.sources:
            return queue.logical_id
    return None


def _of_encryption(block: Properties) -> dict[str, str]:
    """Return how messages are encrypted by KMS, without an effect here; keys may be elsewhere."""
    key = block.left(KMS[0]) if KMS[0] in block else UNKNOWN
    seconds = block.optional_integer(KMS[1], lowest=60, highest=86_400)
    return {
        **({KMS[0]: block.as_text(KMS[0], key)} if key is not UNKNOWN else {}),
        **({KMS[1]: str(seconds)} if seconds else {}),
    }


def _sources(policy: Properties, others: dict[str, str]) -> tuple[str, ...] | None:
    """Return the ARNs of the queues whose dead letters a queue takes, or None for any."""
    if not policy.names():
        return None
    permission = policy.text("redrivePermission", "allowAll")
    arns = tuple(map(str, policy.sequence("sourceQueueArns")))
    policy.finish()
    if permission not in REDRIVE_PERMISSIONS:
        raise policy.error("redrivePermission", f"has to be {' or '.join(REDRIVE_PERMISSIONS)}")
    if bool(arns) != (permission == "byQueue") or len(arns) > SOURCES_MAX:
        raise policy.error("sourceQueueArns", f"are 1 to {SOURCES_MAX}, for byQueue alone")
    content = {"redrivePermission": permission, **({"sourceQueueArns": arns} if arns else {})}
    others["RedriveAllowPolicy"] = json.dumps(content, separators=(",", ":"))
    return None if permission == "allowAll" else arns


def _tags(block: Properties) -> dict[str, str]:
    tags = [
        block.item(f"Tags.{number}", each) for number, each in enumerate(block.sequence("Tags"))
    ]
    values = {each.text("Key"): each.left("Value") if "Value" in each else "" for each in tags}
    return {key: str(value) for key, value in values.items() if value not in (UNKNOWN, None)}


def _of_fifo(block: Properties, is_fifo: bool) -> tuple[bool, str, str]:
    """Return whether content deduplicates, for which scope, and to what throughput is limited."""
    names = ("ContentBasedDeduplication", *FIFO_CHOICES)
    strange = next((name for name in names if name in block and not is_fifo), None)
    is_off = strange == names[0] and not block.flag(names[0], False)
    if strange is not None and not is_off:
        raise block.error(strange, "is for FIFO queues; remove it")
    deduplicates_content = block.flag(names[0], False)
    choices = []
    for name, values in FIFO_CHOICES.items():
        choices.append(block.text(name, values[0]))
        if choices[-1] not in values:
            raise block.error(name, f"has to be {' or '.join(values)}, not {choices[-1]!r}")
    scope, throughput = choices
    if throughput == "perMessageGroupId" and scope != "messageGroup":
        raise block.error("FifoThroughputLimit", "goes with DeduplicationScope: messageGroup only")
    return deduplicates_content, scope, throughput


def _redrive(
    redrive: Properties, name: str, name_of: Callable[[str], str | None]
) -> tuple[str | None, int | None]:
    if "deadLetterTargetArn" not in redrive:
        redrive.finish()
        return None, None
    arn = redrive.text("deadLetterTargetArn")
    dead_letter = name_of(arn)
    if dead_letter is None:
        raise redrive.error("deadLetterTargetArn", f"{arn} is no queue of this template")
    if dead_letter.endswith(".fifo") != name.endswith(".fifo"):
        raise redrive.error("deadLetterTargetArn", "has to be FIFO as the queue is, or neither")
    max_receive_count = redrive.integer("maxReceiveCount", 10, lowest=1, highest=1000)
    redrive.finish()
    return dead_letter, max_receive_count


def read_mapping(block: Properties, *, queue: str, is_fifo: bool, function: str) -> Mapping:
    """Return the mapping of `block` from `queue` to `function`, both logical ids."""
    types = block.sequence("FunctionResponseTypes")
    if any(kind != "ReportBatchItemFailures" for kind in types):
        raise block.error("FunctionResponseTypes", "knows ReportBatchItemFailures only")
    window_s = block.integer("MaximumBatchingWindowInSeconds", 0, lowest=0, highest=300)
    if window_s and is_fifo:
        raise block.error("MaximumBatchingWindowInSeconds", "is not for FIFO queues; remove it")
    batch_size = block.integer("BatchSize", 10, lowest=1, highest=10 if is_fifo else 10_000)
    if batch_size > 10 and not window_s:
        raise block.error("MaximumBatchingWindowInSeconds", "is needed above a batch of 10")
    concurrency = _concurrency(block)
    filters = read_filters(block.block("FilterCriteria"))
    block.finish(support.MAPPING_PROPERTIES_WITHOUT_EFFECT)
    return Mapping(
        queue=queue,
        function=function,
        batch_size=batch_size,
        window_s=window_s,
        report_failures=bool(types),
        maximum_concurrency=concurrency,
        filters=filters,
    )


def _concurrency(block: Properties) -> int | None:
    scaling = block.block("ScalingConfig")
    concurrency = scaling.optional_integer("MaximumConcurrency", lowest=2, highest=1000)
    scaling.finish()
    if "ProvisionedPollerConfig" in block:
        pollers = block.block("ProvisionedPollerConfig")
        pollers.optional_integer("MinimumPollers", lowest=2, highest=200)
        pollers.optional_integer("MaximumPollers", lowest=2, highest=2000)
        pollers.finish()
        if concurrency:
            raise block.error("ProvisionedPollerConfig", "excludes MaximumConcurrency; remove one")
    return concurrency


def read_filters(criteria: Properties) -> tuple[str, ...]:
    """Return the patterns of a FilterCriteria, each of which compiles."""
    patterns = []
    for number, entry in enumerate(criteria.sequence("Filters")):
        item = criteria.item(f"Filters.{number}", entry)
        patterns.append(item.text("Pattern"))
        try:
            compile_filters(patterns[-1:])
        except PatternNotEmulated as error:
            raise item.not_emulated("Pattern", str(error)) from error
        except PatternError as error:
            raise item.error("Pattern", str(error)) from error
        item.finish()
    if len(patterns) > FILTERS_MAX:
        raise criteria.error("Filters", f"are at most {FILTERS_MAX}; join some with $or")
    criteria.finish()
    return tuple(patterns)


def refused_mapping(
    mappings: Sequence[Mapping],
    functions: ReadOnlyDict[str, Function],
    queues: ReadOnlyDict[str, Queue],
) -> tuple[str, str] | None:
    """Return the function and a sentence about the first mapping that AWS would not create."""
    pairs: set[tuple[str, str]] = set()
    for mapping in mappings:
        queue, function = queues[mapping.queue], functions[mapping.function]
        if (mapping.queue, mapping.function) in pairs:
            return mapping.function, f"two mappings from {mapping.queue}; remove one"
        pairs.add((mapping.queue, mapping.function))
        if queue.visibility_timeout_s < function.timeout_s:
            return mapping.function, (
                f"its Timeout of {function.timeout_s} s is longer than the VisibilityTimeout of"
                f" {mapping.queue}, {queue.visibility_timeout_s} s; six times as long is advised"
            )
    return None
