"""The contents of a test system: queues, documents, and AWS's other services."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from local.machine.queue_carrier import redis_url_of
from pytest_spillway.exchange import exchange
from redis_sqs import redis_scripts

TRAITS = ":traits"  # of a queue, which the template says and not its messages


class Contents:
    """The stores of one system, which are nobody else's."""

    def __init__(self, variables: Mapping[str, str], services_url: str) -> None:
        self._redis = redis_scripts.client(redis_url_of(variables))
        self._mongo_url = variables.get("MONGO_URL")
        self._services_url = services_url

    def empty(self) -> None:
        """Delete all messages, documents, items and objects."""
        keys = [key for key in self._redis.scan_iter(count=1000) if not key.endswith(TRAITS)]
        if keys:
            self._redis.unlink(*keys)
        if self._mongo_url:
            for database in self._mongo.list_database_names():
                for name in self._mongo[database].list_collection_names():
                    self._mongo[database][name].delete_many({})
        if self._services_url:
            exchange(self._services_url, "POST", "/_ministack/reset")

    @cached_property
    def _mongo(self) -> Any:
        from pymongo import MongoClient  # noqa: PLC0415 - 150 ms, for templates that want it

        return MongoClient(self._mongo_url)
