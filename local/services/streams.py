"""The streams of tables and of Kinesis, shard by shard: batches to a function, halved and repeated
as its mapping says, and what is given up to where the mapping says.
"""

import base64
import json
import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.daemon.wording import counted
from local.services.checkpoints import Checkpoints
from local.services.delivery import Undelivered
from local.template.intrinsics import ACCOUNT_ID, REGION
from local.template.model import StreamMapping
from local.template.patterns import compile_filters

log = logging.getLogger(__name__)

Record = dict[str, Any]
Invoke = Callable[[Any], tuple[Any, bool]]  # an event; the answer, and whether it is an error

LOOKS_S = 0.1  # how late a change may be noticed; a look costs the emulator a millisecond
FETCHED_MAX = 1000  # records of one call, as Kinesis and DynamoDB limit it
FIRST_PAUSE_S = 1.0  # before a failed batch comes again; AWS does not say how long it waits
LONGEST_PAUSE_S = 60.0
# The errors of a sequence number that its stream has no more, of DynamoDB and of Kinesis.
GONE = ("TrimmedDataAccessException", "ValidationException", "InvalidArgumentException")


class Shard:
    """The records that one mapping has read of one shard, and its place in it."""

    def __init__(
        self,
        shard_id: str,
        mapping: StreamMapping,
        fetch: Callable[[], list[Record]],
        invoke: Invoke,
        done: Callable[[str], None],
        give_up: Callable[[str, list[Record], str, int], None],
    ) -> None:
        self._id = shard_id
        self._mapping = mapping
        self._fetch = fetch
        self._invoke = invoke
        self._done = done
        self._give_up = give_up
        self._passes = compile_filters(mapping.filters) if mapping.filters else None
        self._waiting: list[Record] = []
        self._parts: list[list[Record]] = []  # of the batch in hand, the next one first
        self._since_s = 0.0  # when the oldest that waits came
        self._tries = 0
        self._due_s = 0.0

    def run_once(self, now_s: float) -> bool:
        """Read, and give the function one batch where one is due; tell whether there was one.

        `now_s` is of the monotonic clock; a record's age goes by that of the wall.
        """
        if now_s < self._due_s:
            return False
        if not self._parts:
            self._take(now_s)
        if not self._parts:
            return False
        self._handle(self._parts[0], now_s)
        return True

    def _take(self, now_s: float) -> None:
        """Put the next batch in hand: a full one, or what waited for the window."""
        mapping = self._mapping
        if len(self._waiting) < mapping.batch_size:
            records = self._fetch()
            if records and not self._waiting:
                self._since_s = now_s
            self._waiting += records
        is_full = len(self._waiting) >= mapping.batch_size
        if not self._waiting or not (is_full or now_s >= self._since_s + mapping.window_s):
            return
        batch = self._waiting[: mapping.batch_size]
        self._waiting = self._waiting[mapping.batch_size :]
        passing = [each for each in batch if not self._passes or self._passes(_as_filtered(each))]
        if passing:
            self._parts, self._tries = [passing], 0
        else:
            self._done(sequence_of(batch[-1]))

    def _handle(self, part: list[Record], now_s: float) -> None:
        try:
            answer, is_error = self._invoke({"Records": part})
        except Undelivered as error:  # throttled, or the gateway is away: not the batch's fault
            log.warning("%s", error)
            self._due_s = now_s + FIRST_PAUSE_S
            return
        failed = part if is_error else self._failed(part, answer)
        if len(failed) < len(part):
            self._done(sequence_of(part[len(part) - len(failed) - 1]))
        if not failed:
            self._next_part()
        elif len(failed) < len(part):
            self._parts[0], self._tries = failed, 0
            self._due_s = now_s + FIRST_PAUSE_S
        else:
            self._failed_whole(part, now_s)

    def _failed(self, part: list[Record], answer: Any) -> list[Record]:
        """Return the records from the first that the function reports; all of a wrong report."""
        if not self._mapping.report_failures or not isinstance(answer, dict):
            return []
        reported = answer.get("batchItemFailures")
        if reported is None:
            return []
        if not isinstance(reported, list):
            return part
        names = [each.get("itemIdentifier") for each in reported if isinstance(each, dict)]
        if len(names) != len(reported):
            return part
        places = [n for n, record in enumerate(part) if sequence_of(record) in names]
        if not names:
            return []
        return part[min(places) :] if places else part

    def _failed_whole(self, part: list[Record], now_s: float) -> None:
        if self._mapping.bisects and len(part) > 1:
            middle = len(part) // 2
            self._parts[:1] = [part[:middle], part[middle:]]
            self._tries = 0
            return
        self._tries += 1
        reason = self._reason_to_give_up(part)
        if reason:
            self._give_up(self._id, part, reason, self._tries)
            self._done(sequence_of(part[-1]))
            self._next_part()
        else:
            pause_s = min(FIRST_PAUSE_S * 2 ** (self._tries - 1), LONGEST_PAUSE_S)
            self._due_s = now_s + pause_s

    def _reason_to_give_up(self, part: list[Record]) -> str:
        mapping = self._mapping
        if 0 <= mapping.retries_max < self._tries:
            return "RetryAttemptsExhausted"
        if 0 < mapping.age_max_s < time.time() - arrival_s(part[0]):
            return "RecordAgeExceeded"
        return ""

    def _next_part(self) -> None:
        self._parts.pop(0)
        self._tries, self._due_s = 0, 0.0


def sequence_of(record: Record) -> str:
    """Return the sequence number of a record of either kind."""
    part = record["dynamodb"] if "dynamodb" in record else record["kinesis"]
    return str(part.get("SequenceNumber") or part.get("sequenceNumber"))


def arrival_s(record: Record) -> float:
    """Return when a record came, in seconds since the epoch."""
    if "dynamodb" in record:
        return float(record["dynamodb"]["ApproximateCreationDateTime"])
    return float(record["kinesis"]["approximateArrivalTimestamp"])


def _as_filtered(record: Record) -> Record:
    """Return a record as patterns see it: data of Kinesis as the JSON that it may be."""
    if "kinesis" not in record:
        return record
    data = base64.b64decode(record["kinesis"]["data"])
    try:
        return {**record["kinesis"], "data": json.loads(data)}
    except (ValueError, RecursionError):  # whoever sends may nest as deep as data is long
        return {**record["kinesis"], "data": data.decode(errors="replace")}


class Stream:
    """The loop of one mapping over all shards of its stream, in a thread of its own."""

    def __init__(
        self,
        mapping: StreamMapping,
        api: Any,  # a client of botocore, whose methods have no types
        arn: str,
        invoke: Invoke,
        checkpoints: Checkpoints,
        fail: Callable[[dict[str, Any]], None],
    ) -> None:
        self._mapping = mapping
        self._api = api
        self._arn = arn
        self._invoke = invoke
        self._checkpoints = checkpoints
        self._fail = fail
        self._shards: dict[str, Shard] = {}
        self._iterators: dict[str, str | None] = {}
        self._is_lost = False  # whether the iterators have to be made anew
        self._starts: dict[str, str] = {}  # where a shard is read from first
        self._fetched: dict[str, str] = {}  # the last sequence number that was read of a shard
        self._key = f"{mapping.function} {arn}"
        self._look(is_first=True)

    def run(self, stop: threading.Event) -> None:
        """Read and invoke until `stop`."""
        rounds = 0
        while not stop.is_set():
            try:
                rounds += 1
                if self._is_lost:
                    self._open_again()
                if rounds % 100 == 0:  # shards are added and closed
                    self._look(is_first=False)
                had_any = [shard.run_once(time.monotonic()) for shard in [*self._shards.values()]]
            except (BotoCoreError, ClientError) as error:
                log.warning("%s: %s", self._arn, error)
                self._is_lost = True
                stop.wait(FIRST_PAUSE_S)
            except Exception:  # edge: one round of a poller; the batch in hand comes again
                log.exception("%s", self._arn)
                self._is_lost = True
                stop.wait(FIRST_PAUSE_S)
            else:
                if not any(had_any):
                    stop.wait(LOOKS_S)

    def _open_again(self) -> None:
        """Make anew the iterators of shards that are not read to their end."""
        for name, iterator in self._iterators.items():
            if iterator is not None:
                self._iterators[name] = self._iterator(name)
        self._is_lost = False

    def _look(self, *, is_first: bool) -> None:
        """Take up the shards that are new; those of a stream that grows from their beginning."""
        described = (
            self._api.describe_stream(StreamARN=self._arn)
            if self._is_kinesis
            else (self._api.describe_stream(StreamArn=self._arn))
        )
        for each in described["StreamDescription"]["Shards"]:
            name = each["ShardId"]
            if name not in self._shards:
                self._starts[name] = self._mapping.starts if is_first else "TRIM_HORIZON"
                self._iterators[name] = self._iterator(name)
                self._shards[name] = self._shard(name)

    def _shard(self, name: str) -> Shard:
        def fetch() -> list[Record]:
            return self._fetch(name)

        def done(sequence: str) -> None:
            self._checkpoints.put(self._key, name, sequence)

        return Shard(name, self._mapping, fetch, self._invoke, done, self._give_up)

    @property
    def _is_kinesis(self) -> bool:
        return not self._mapping.is_of_table

    def _iterator(self, shard: str) -> str:
        """Return an iterator after what was read last, else where the shard starts."""
        starts = self._starts[shard]
        named = {"StreamARN" if self._is_kinesis else "StreamArn": self._arn, "ShardId": shard}
        if sequence := self._fetched.get(shard) or self._checkpoints.get(self._key, shard):
            try:
                return str(
                    self._api.get_shard_iterator(
                        **named,
                        ShardIteratorType="AFTER_SEQUENCE_NUMBER",
                        **{
                            "StartingSequenceNumber"
                            if self._is_kinesis
                            else "SequenceNumber": sequence
                        },
                    )["ShardIterator"]
                )
            except ClientError as error:
                if error.response["Error"]["Code"] not in GONE:
                    raise
                starts = "TRIM_HORIZON"  # what was read last is there no more
        at = {"Timestamp": self._mapping.starts_at_s} if starts == "AT_TIMESTAMP" else {}
        answer = self._api.get_shard_iterator(**named, ShardIteratorType=starts, **at)
        return str(answer["ShardIterator"])

    def _fetch(self, shard: str) -> list[Record]:
        iterator = self._iterators[shard]
        if iterator is None:
            return []  # closed, and read to its end
        answer = self._api.get_records(ShardIterator=iterator, Limit=FETCHED_MAX)
        make = self._of_kinesis if self._is_kinesis else self._of_table
        records = [make(shard, record) for record in answer["Records"]]
        if records:
            self._fetched[shard] = sequence_of(records[-1])
        self._iterators[shard] = answer.get("NextShardIterator")
        return records

    def _of_table(self, _shard: str, record: Any) -> Record:
        text = json.dumps(
            {**record, "userIdentity": None, "eventSourceARN": self._arn}, default=_plain
        )
        made: Record = json.loads(text)
        if made["userIdentity"] is None:
            del made["userIdentity"]
        return made

    def _of_kinesis(self, shard: str, record: Any) -> Record:
        return {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": record["PartitionKey"],
                "sequenceNumber": record["SequenceNumber"],
                "data": base64.b64encode(record["Data"]).decode(),
                "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"].timestamp(),
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"{shard}:{record['SequenceNumber']}",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": f"arn:aws:iam::{ACCOUNT_ID}:role/local",
            "awsRegion": REGION,
            "eventSourceARN": self._arn,
        }

    def _give_up(self, shard: str, part: list[Record], condition: str, tries: int) -> None:
        records = counted(len(part), "record")
        log.warning("%s: %s of %s given up: %s", self._mapping.function, records, shard, condition)
        kind = "KinesisBatchInfo" if self._is_kinesis else "DDBStreamBatchInfo"
        self._fail(
            {
                "requestContext": {"condition": condition, "approximateInvokeCount": tries},
                "version": "1.0",
                "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
                kind: {
                    "shardId": shard,
                    "startSequenceNumber": sequence_of(part[0]),
                    "endSequenceNumber": sequence_of(part[-1]),
                    "approximateArrivalOfFirstRecord": _moment(part[0]),
                    "approximateArrivalOfLastRecord": _moment(part[-1]),
                    "batchSize": len(part),
                    "streamArn": self._arn,
                },
            }
        )


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(type(value).__name__)


def _moment(record: Record) -> str:
    return datetime.fromtimestamp(arrival_s(record), UTC).isoformat(timespec="milliseconds")
