"""The contents of the emulated services, put back as the making of the template left them.

Tests begin with that. Places in streams go on, because whoever reads one remembers its own. Of S3
all objects go, also those that were there at the start.
"""

import copy
import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

# Those in which no reader has a place.
PUT_BACK = ("dynamodb", "s3", "secretsmanager", "ses", "sns", "ssm", "stepfunctions")


class Contents:
    """The contents of all services in this process; `objects` is the folder of S3's."""

    def __init__(self, objects: Path) -> None:
        self._objects = objects
        self._made: dict[str, Any] = {}

    def remember(self) -> None:
        """Remember what there is now: what the template makes."""
        self._made = {name: _service(name).get_state() for name in (*PUT_BACK, "cognito")}

    def put_back(self) -> None:
        """Drop what has come since."""
        places = _dropped_stream_records()
        for name in PUT_BACK:
            service = _service(name)
            service.reset()
            service.load_persisted_state(copy.deepcopy(self._made.get(name)))
        for table, place in places.items():
            _service("dynamodb")._stream_trimmed.set_scoped(*table, place)
        # Its keys stay: gateways know them.
        _service("cognito")._user_pools.clear()
        _service("cognito").load_persisted_state(copy.deepcopy(self._made.get("cognito")))
        _empty_queues_and_streams()
        for path in self._objects.glob("*/*"):
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir()


def install(contents: Contents) -> None:
    """Have the emulator's own POST /_ministack/reset put the contents back.

    It would delete the resources too. Other requests wait meanwhile.
    """
    from ministack import app  # noqa: PLC0415 - it reads variables when it is imported

    put_back: Callable[[], None] = contents.put_back
    app._reset_all_state = put_back


def _dropped_stream_records() -> dict[tuple[str, str, str], int]:
    """Return the place after the last record of each table's stream."""
    tables = _service("dynamodb")
    places = dict(tables._stream_trimmed.all_items())
    for table, records in tables._stream_records.all_items():
        places[table] = places.get(table, 0) + len(records)
    return places


def _empty_queues_and_streams() -> None:
    """Delete the messages on their way to our queues, and the records of Kinesis."""
    for queue in _service("sqs")._queues.all_values():
        queue["messages"].clear()
    for stream in _service("kinesis")._streams.all_values():
        for shard in stream["shards"].values():
            shard["records"].clear()
    for iterator in _service("kinesis")._shard_iterators.all_values():
        iterator["position"] = 0


def _service(name: str) -> Any:
    """Return the emulator's module of a service, which has no types."""
    return import_module(f"ministack.services.{name}")
