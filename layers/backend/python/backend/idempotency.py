"""Powertools idempotency on Redis, one round trip for a claim and one for its answer.

A replay cache, not the proof that nothing happens twice: a claim is a lease. What must not happen
twice is made so by the document store, under an id that comes from the same key. So the cache may
forget: it has a fixed number of slots, each of bounded size, and a newer record takes the place of
an older one. Whatever anybody sends, it holds CACHE_BYTES_MAX at most.
"""

import functools
import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import redis
from aws_lambda_powertools.utilities.idempotency import IdempotencyConfig, idempotent_function
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyAlreadyInProgressError,
    IdempotencyItemAlreadyExistsError,
    IdempotencyItemNotFoundError,
    IdempotencyPersistenceLayerError,
    IdempotencyValidationError,
)
from aws_lambda_powertools.utilities.idempotency.persistence.base import BasePersistenceLayer
from aws_lambda_powertools.utilities.idempotency.persistence.datarecord import DataRecord
from msgspec import Struct

from backend.errors import KeyReused
from backend.settings import settings
from backend.telemetry import logger
from redis_sqs.redis_scripts import Script, ScriptServer

Json = dict[str, Any]
F = TypeVar("F", bound=Callable[..., Json])

EXPIRES_AFTER_S = 86_400  # a client that repeats after a day is answered by the document store
SLOTS = 32_768  # two minutes of the load profile's peak: most clients repeat sooner
ANSWER_BYTES_MAX = 1_024  # twice an ordinary payment; the document answers for a larger one
RECORD_BYTES_MAX = 2_048  # on the server, with what it needs around an answer
CACHE_BYTES_MAX = (
    SLOTS * RECORD_BYTES_MAX
)  # 64 MB, an eighth of what redis.conf lets the server have
CLAIM_TIMEOUT_S = 0.5  # nobody needs the cache, so nobody waits long for it

_SCRIPTS = Path(__file__).parent / "idempotency_scripts"
CLAIM = Script(_SCRIPTS / "claim.lua")
COMPLETE = Script(_SCRIPTS / "complete.lua")
ABANDON = Script(_SCRIPTS / "abandon.lua")


class LambdaContext(Protocol):
    """The part that is used of the second argument of a handler."""

    def get_remaining_time_in_millis(self) -> int: ...


class Replayed(Json):
    """An answer that was stored before and is given again."""


class Claim(Struct, frozen=True, kw_only=True):
    """The identity of a call: the key is the tenant's own, the fingerprint its request's."""

    tenant: str
    key: str
    fingerprint: str

    def __post_init__(self) -> None:
        if not self.tenant or not self.key:
            raise ValueError("a claim needs a tenant and a key")

    def __deepcopy__(self, memo: object) -> "Claim":
        return self  # Powertools copies what it is given; nobody can change this


def _replayed(response: Json | None, idempotent_data: DataRecord) -> Json | None:
    return Replayed(response) if response else None  # too large to be kept: ask the document


# One for all functions: a layer of Powertools takes the first configuration it sees for good.
_CONFIG = IdempotencyConfig(
    event_key_jmespath="[tenant, key]",
    payload_validation_jmespath="fingerprint",
    expires_after_seconds=EXPIRES_AFTER_S,
    response_hook=_replayed,
)


def register(context: LambdaContext) -> None:
    """Tell the deadline of this invocation: a claim is held until then and not longer.

    Call it at the start of each invocation. Without it Powertools warns, and the claim of a killed
    process blocks its key for a day.
    """
    _CONFIG.register_lambda_context(context)  # type: ignore[arg-type]  # it uses this one method


def idempotent(
    operation: str, *, redis_url: str = settings.redis_url, slots: int = SLOTS
) -> Callable[[F], F]:
    """Make a function with a keyword argument `claim: Claim` answer a repeat with its first answer.

    The answer must be a JSON object; a repeat gives it as Replayed. Raises KeyReused when the
    same key comes with another fingerprint. An exception of the function gives the claim up, so
    the next call runs.

    The function itself keeps its effect from happening twice, by a document whose id comes from the
    key, and gives a repeat as Replayed: it is also called while another call is in progress, while
    Redis does not answer, and where the cache has no answer any more or never kept it.
    """

    def decorate(function: F) -> F:
        cached = idempotent_function(
            function,
            data_keyword_argument="claim",
            persistence_store=RedisPersistence(redis_url, slots),
            config=_CONFIG,
            key_prefix=operation,
        )

        @functools.wraps(function)
        def guarded(*, claim: Claim, **arguments: Any) -> Json:
            try:
                answer: Json | None = cached(claim=claim, **arguments)
                if answer:
                    return answer
            except IdempotencyValidationError as error:
                raise KeyReused from error
            except IdempotencyAlreadyInProgressError:
                pass
            except IdempotencyPersistenceLayerError:
                logger.warning("no replay cache", extra={"operation": operation})
            return function(claim=claim, **arguments)

        return guarded  # type: ignore[return-value]  # F's keyword arguments pass through

    return decorate


class RedisPersistence(BasePersistenceLayer):
    """Powertools' records on Redis. One instance belongs to one function and one thread.

    Only a claim may fail: an answer that cannot be kept costs a later replay, while an error after
    the function has run would hide what it did.
    """

    def __init__(self, redis_url: str = settings.redis_url, slots: int = SLOTS) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._server = ScriptServer(redis_url, answer_timeout_s=CLAIM_TIMEOUT_S)
        self._slots = slots
        self._tokens: dict[str, str] = {}  # of the claims this process holds

    # Both say what _CONFIG's expressions say, 40 us a call cheaper than JMESPath says it.
    def _get_hashed_idempotency_key(self, data: Claim) -> str:  # type: ignore[override]
        key = json.dumps([data.tenant, data.key])
        return f"{self.function_name}#{hashlib.sha256(key.encode()).hexdigest()}"

    def _get_hashed_payload(self, data: Claim) -> str:  # type: ignore[override]
        return data.fingerprint

    def _put_record(self, data_record: DataRecord) -> None:
        key, token = data_record.idempotency_key, os.urandom(16).hex()
        life_ms = self.expires_after_seconds * 1000
        run_ms = life_ms
        if data_record.in_progress_expiry_timestamp is not None:
            run_ms = max(0, data_record.in_progress_expiry_timestamp - _now_ms())
        arguments = (_digest(key), token, data_record.payload_hash, run_ms, life_ms)
        existing = self._server.run(CLAIM, [self._slot(key)], arguments)
        if not existing:
            self._tokens[key] = token
            return
        stored = _record(key, *existing)
        self._validate_payload(data_payload=data_record, stored_data_record=stored)
        raise IdempotencyItemAlreadyExistsError(old_data_record=stored)

    def _update_record(self, data_record: DataRecord) -> None:
        key = data_record.idempotency_key
        response = data_record.response_data
        if len(response.encode()) > ANSWER_BYTES_MAX:
            response = ""
        arguments = (_digest(key), self._tokens.pop(key), response)
        # Posted: the client does not wait for what only spares a later look-up.
        self._finish(self._server.post, COMPLETE, data_record, arguments)

    def _delete_record(self, data_record: DataRecord) -> None:
        key = data_record.idempotency_key
        arguments = (_digest(key), self._tokens.pop(key))
        self._finish(self._server.run, ABANDON, data_record, arguments)

    def _finish(
        self,
        send: Callable[[Script, Sequence[str], Sequence[str]], object],
        script: Script,
        data_record: DataRecord,
        arguments: Sequence[str],
    ) -> None:
        try:
            send(script, [self._slot(data_record.idempotency_key)], arguments)
        except redis.RedisError:
            logger.warning("the claim stays until its deadline", exc_info=True)

    def _slot(self, key: str) -> str:
        return f"idempotency:{int(_digest(key), 16) % self._slots}"

    def _get_record(self, idempotency_key: str) -> DataRecord:
        # Powertools asks only where a refused claim brought no record along; ours always does.
        raise IdempotencyItemNotFoundError


def _digest(key: str) -> str:
    return hashlib.blake2b(key.encode(), digest_size=16).hexdigest()


def _now_ms() -> int:
    return int(time.time() * 1000)


def _record(
    key: str, status: str, payload_hash: str, response: str, run_left_ms: int, life_left_ms: int
) -> DataRecord:
    """Return what the server holds in Powertools' terms, its times by the clock of this process."""
    return DataRecord(
        idempotency_key=key,
        status=status,
        payload_hash=payload_hash,
        response_data=response,
        in_progress_expiry_timestamp=_now_ms() + run_left_ms,
        expiry_timestamp=(_now_ms() + life_left_ms) // 1000 + 1,
    )
