"""Event source mappings from the streams of tables and from Kinesis, within AWS's limits."""

from datetime import datetime

from local.template.model import StreamMapping
from local.template.queues import read_filters
from local.template.reader import Properties

STARTS = ("TRIM_HORIZON", "LATEST", "AT_TIMESTAMP")
WITHOUT_EFFECT = {
    "KmsKeyArn": "nothing is encrypted at rest here",
    "MetricsConfig": "workers have metrics of their own",
    "ParallelizationFactor": "a shard's batches come one after the other",
    "Tags": "text for people",
}


def read_stream(block: Properties, *, source: str, function: str) -> StreamMapping | None:
    """Return the mapping of `block` from the stream of that ARN, None of one switched off."""
    types = block.sequence("FunctionResponseTypes")
    if any(kind != "ReportBatchItemFailures" for kind in types):
        raise block.error("FunctionResponseTypes", "knows ReportBatchItemFailures only")
    starts = block.text("StartingPosition")
    if starts not in STARTS or (starts == "AT_TIMESTAMP" and ":kinesis:" not in source):
        raise block.error("StartingPosition", f"{starts!r} is none of its positions; correct it")
    if block.integer("TumblingWindowInSeconds", 0, lowest=0, highest=900):
        raise block.not_emulated("TumblingWindowInSeconds", "is not emulated; remove it")
    is_on = block.flag("Enabled", True)
    mapping = StreamMapping(
        stream=source,
        function=function,
        batch_size=block.integer("BatchSize", 100, lowest=1, highest=10_000),
        window_s=block.integer("MaximumBatchingWindowInSeconds", 0, lowest=0, highest=300),
        starts=starts,
        starts_at_s=_moment(block),
        retries_max=block.integer("MaximumRetryAttempts", -1, lowest=-1, highest=10_000),
        age_max_s=block.integer("MaximumRecordAgeInSeconds", -1, lowest=-1, highest=604_800),
        bisects=block.flag("BisectBatchOnFunctionError", False),
        report_failures=bool(types),
        filters=read_filters(block.block("FilterCriteria")),
        on_failure=_on_failure(block.block("DestinationConfig")),
    )
    block.finish(WITHOUT_EFFECT)
    return mapping if is_on else None


def _moment(block: Properties) -> float:
    value = block.take("StartingPositionTimestamp", 0)
    try:
        return float(value)
    except (TypeError, ValueError):
        pass
    try:
        return datetime.fromisoformat(str(value)).timestamp()
    except ValueError:
        sentence = f"{value!r} is no time; write the seconds since 1970"
        raise block.error("StartingPositionTimestamp", sentence) from None


def _on_failure(config: Properties) -> str:
    target = config.block("OnFailure")
    arn = target.text("Destination", "")
    target.take("Type")
    target.finish()
    config.finish()
    return arn
