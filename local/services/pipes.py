"""Pipes: from a queue or a stream by filters and an enrichment to a target.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes.html
"""

import base64
import json
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.services.delivery import Delivery, Undelivered
from local.services.input_templates import filled
from local.services.pipe_targets import Failed, Target, target_of
from local.services.streams import Record, Stream
from local.template.model import StreamMapping
from local.template.patterns import compile_filters

log = logging.getLogger(__name__)

PAUSE_S = 1.0  # after a failure
BATCH_OF_QUEUE = 10

Properties = Mapping[str, Any]


class Pipe:
    """A pipe: what becomes of a batch of records of its source."""

    def __init__(
        self, name: str, properties: Properties, delivery: Delivery, endpoint: str
    ) -> None:
        self._name = name
        self._properties = properties
        self._delivery = delivery
        self._target: Target = target_of(properties, name, delivery, endpoint)
        source = properties.get("SourceParameters") or {}
        patterns = [
            str(each.get("Pattern"))
            for each in (source.get("FilterCriteria") or {}).get("Filters") or []
        ]
        self._passes = compile_filters(patterns) if patterns else None

    def move(self, records: list[Record]) -> None:
        """Take the records that pass to the target. Raises Failed and Undelivered."""
        passing = [each for each in records if not self._passes or self._passes(_as_filtered(each))]
        if not passing:
            return
        enrichment = str(self._properties.get("Enrichment") or "")
        parameters = self._properties.get("EnrichmentParameters") or {}
        entries: list[Any] = [self._shaped(each, parameters) for each in passing]
        if enrichment:
            answer, is_error = self._delivery.invoke(enrichment.split(":")[6], entries)
            if is_error:
                raise Failed(f"the enrichment fails: {answer}")
            entries = answer if isinstance(answer, list) else [] if answer is None else [answer]
        parameters = self._properties.get("TargetParameters") or {}
        if entries:
            self._target([self._shaped(each, parameters) for each in entries])

    def _shaped(self, entry: Any, parameters: Properties) -> Any:
        template = parameters.get("InputTemplate")
        return filled(template, _parsed(entry), self._name) if template else entry


def run_pipe(
    name: str,
    properties: Properties,
    delivery: Delivery,
    endpoint: str,
    stream_of: Callable[[StreamMapping, Callable[[Any], tuple[Any, bool]]], Stream],
    stop: threading.Event,
) -> None:
    """Start the thread of a pipe, unless it is stopped."""
    if properties.get("DesiredState") == "STOPPED":
        return
    pipe = Pipe(name, properties, delivery, endpoint)
    source = str(properties["Source"])
    if source.startswith("arn:aws:sqs:"):
        parameters = (properties.get("SourceParameters") or {}).get("SqsQueueParameters") or {}
        size = min(int(parameters.get("BatchSize", BATCH_OF_QUEUE)), BATCH_OF_QUEUE)
        queue = source.rpartition(":")[2]
        arguments: tuple[Any, ...] = (pipe, queue, size, delivery, stop)
        threading.Thread(target=_drain, args=arguments, daemon=True).start()
        return

    def invoke(event: Any) -> tuple[Any, bool]:
        try:
            pipe.move([_flat(each) for each in event["Records"]])
        except (Failed, BotoCoreError, ClientError) as error:
            log.warning("%s: %s", name, error)
            return {"errorMessage": str(error)}, True
        return None, False

    stream = stream_of(_mapping(name, source, properties), invoke)
    threading.Thread(target=stream.run, args=(stop,), daemon=True).start()


def _drain(pipe: Pipe, queue: str, size: int, delivery: Delivery, stop: threading.Event) -> None:
    """Move the messages of a queue until `stop`; what fails is visible again after its time."""
    while not stop.is_set():
        try:
            records = delivery.receive(queue, size)
            if records:
                pipe.move(records)
                delivery.delete(queue, [each["receiptHandle"] for each in records])
        except (Failed, Undelivered, BotoCoreError, ClientError) as error:
            log.warning("a pipe from %s: %s", queue, error)
            stop.wait(PAUSE_S)
        except Exception:  # edge: one round of a poller; its messages come again
            log.exception("a pipe from %s", queue)
            stop.wait(PAUSE_S)


def _mapping(name: str, source: str, properties: Properties) -> StreamMapping:
    parameters = properties.get("SourceParameters") or {}
    kind = "DynamoDBStreamParameters" if ":dynamodb:" in source else "KinesisStreamParameters"
    about = parameters.get(kind) or {}
    dead_letters = (about.get("DeadLetterConfig") or {}).get("Arn") or ""
    return StreamMapping(
        stream=source,
        function=name,
        batch_size=int(about.get("BatchSize", 100)),
        window_s=int(about.get("MaximumBatchingWindowInSeconds", 0)),
        starts=str(about.get("StartingPosition", "LATEST")),
        retries_max=int(about.get("MaximumRetryAttempts", -1)),
        age_max_s=int(about.get("MaximumRecordAgeInSeconds", -1)),
        on_failure=str(dead_letters),
    )


def _flat(record: Record) -> Record:
    """Return a record as a pipe has it: one of Kinesis without the level that functions get."""
    if "kinesis" not in record:
        return record
    return {**record["kinesis"], **{key: each for key, each in record.items() if key != "kinesis"}}


def _as_filtered(record: Record) -> Record:
    """Return a record as patterns see it: data of Kinesis as the JSON that it may be."""
    return _parsed(record) if "data" in record else record


def _parsed(entry: Any) -> Any:
    """Return an entry whose text is JSON as paths and patterns see it."""
    if not isinstance(entry, dict):
        return entry
    whole = dict(entry)
    for name in ("body", "data"):
        text = whole.get(name)
        if isinstance(text, str):
            try:
                whole[name] = json.loads(
                    base64.b64decode(text, validate=True) if name == "data" else text
                )
            except (ValueError, RecursionError):  # whoever sends may nest as deep as it is long
                continue
    return whole
