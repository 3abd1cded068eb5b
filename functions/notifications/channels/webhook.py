"""The channel `webhook`: posts signed to tenants' endpoints, each attempt with one answer.

An endpoint that answers 410, or with nothing but failures for days, is disabled and its owner told.
"""

import email.utils
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import NamedTuple, Protocol

import msgspec

from backend import clock, egress, tracing
from notifications.answers import Accepted, Answer, Permanent, RetryAfter
from notifications.channels.spans import trace_in_hand
from notifications.schema import Notification, Wish
from notifications.webhooks import sealing, signing
from notifications.webhooks.endpoints import GIVEN_UP_AFTER_MS, Endpoint
from notifications.webhooks.receivers import Receivers

# After the first attempt, which is at once: Standard Webhooks' schedule, three days and four hours.
SCHEDULE_S = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
RETRY_AFTER_MAX_S = 86_400  # what a receiver may ask for: nothing waits for years
HEEDED = frozenset({429, 502, 503, 504})  # statuses whose Retry-After counts
GONE = 410
AT_ONCE = 10  # a batch; all wait for strangers' servers
ANSWERED_WITHIN_S = egress.DEADLINE_S + 2  # a name's look-up cannot be cut short, so it is left
HOUR_MS = 3_600_000
LATE = RetryAfter(reason="No answer in time.")


class Endpoints(Protocol):
    """The store of endpoints; `webhooks.endpoint_store` says what each function guarantees."""

    def find_many(self, endpoint_ids: Collection[str]) -> dict[str, Endpoint]: ...

    def set_failing_since(
        self, endpoint_id: str, before_ms: int | None, after_ms: int | None
    ) -> None: ...

    def disable(self, endpoint_id: str, *, because: str) -> None: ...


class Poster(Protocol):
    """The way out; see `backend.egress.Egress`."""

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> egress.Answer: ...


class _Post(NamedTuple):
    """One post, signed."""

    url: str
    body: bytes
    headers: Mapping[str, str]
    trace: str


class WebhookChannel:
    """The channel of webhooks; `notify` sends messages to owners."""

    schedule_s = SCHEDULE_S

    def __init__(
        self,
        endpoints: Endpoints,
        way_out: Poster,
        *,
        notify: Callable[[str], object],
        receivers: Receivers,
        now_ms: Callable[[], int] = clock.now_ms,
    ) -> None:
        self._endpoints = endpoints
        self._way_out = way_out
        self._notify = notify
        self._receivers = receivers
        self._now_ms = now_ms

    def send_all(self, batch: Sequence[Notification]) -> list[Answer]:
        """Post all at once; returns one answer each, within ANSWERED_WITHIN_S."""
        endpoints = self._endpoints.find_many({each.to for each in batch})
        posts = [self._prepared(each, endpoints.get(each.to)) for each in batch]
        answers = self._post_all(posts)
        by_receiver: dict[str, list[Answer]] = defaultdict(list)
        for each, post, answer in zip(batch, posts, answers, strict=True):
            if isinstance(post, _Post):  # what was never posted tells nothing of a receiver
                by_receiver[each.to].append(answer)
                self._receivers.learn(post.url, has_answered=answer.code is not None)
        for endpoint_id, its_answers in by_receiver.items():
            self._learn(endpoints[endpoint_id], its_answers)
        return answers

    def _prepared(self, notification: Notification, endpoint: Endpoint | None) -> _Post | Answer:
        """Return what to post, or the answer where nothing can be."""
        if endpoint is None or endpoint.tenant != notification.tenant:
            return Permanent(reason="There is no such endpoint.")
        if endpoint.disabled_because:
            return Permanent(reason="The endpoint is disabled.")
        now_ms = self._now_ms()
        try:
            secrets = endpoint.secrets(now_ms=now_ms)
        except sealing.Unsealable as error:
            return RetryAfter(reason=str(error))
        body = notification.rendered.text.encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Spillway-Webhooks/1",
            **signing.headers(notification.id, body, keys=secrets, at_s=now_ms // 1000),
        }
        return _Post(endpoint.url, body, headers, trace_in_hand(notification))

    def _post_all(self, posts: Sequence[_Post | Answer]) -> list[Answer]:
        pool = ThreadPoolExecutor(AT_ONCE)
        attempts = [
            pool.submit(self._attempt, each) if isinstance(each, _Post) else each for each in posts
        ]
        futures = [each for each in attempts if isinstance(each, Future)]
        done, _ = wait(futures, timeout=ANSWERED_WITHIN_S)
        pool.shutdown(wait=False, cancel_futures=True)
        return [
            (each.result() if each in done else LATE) if isinstance(each, Future) else each
            for each in attempts
        ]

    def _attempt(self, post: _Post) -> Answer:
        span = tracing.start("POST", _attributes(post.url), trace=post.trace)
        headers = {**post.headers, **tracing.headers(span, post.trace)}
        try:
            answer = self._way_out.post(post.url, post.body, headers)
        except (egress.UrlRefused, egress.NoAnswer) as error:
            tracing.end_http(span, error)
            return RetryAfter(reason=str(error))
        tracing.end_http(span, answer.status)
        return _classify(answer, now_ms=self._now_ms())

    def _learn(self, endpoint: Endpoint, answers: Sequence[Answer]) -> None:
        """Remember since when an endpoint fails, and disable it where that is hopeless."""
        now_ms, since_ms = self._now_ms(), endpoint.failing_since_ms
        if any(each.code == GONE for each in answers):
            self._disable(endpoint, "It answered 410 Gone.", now_ms)
        elif any(isinstance(each, Accepted) for each in answers):
            if since_ms is not None:
                self._endpoints.set_failing_since(endpoint.id, since_ms, None)
        elif since_ms is None:
            self._endpoints.set_failing_since(endpoint.id, None, now_ms)
        elif now_ms - since_ms > GIVEN_UP_AFTER_MS:
            days = GIVEN_UP_AFTER_MS // (24 * HOUR_MS)
            self._disable(endpoint, f"No delivery has succeeded for {days} days.", now_ms)

    def _disable(self, endpoint: Endpoint, because: str, now_ms: int) -> None:
        """Disable an endpoint; its owner is told first, because a crash must not swallow that."""
        if endpoint.contact is not None:
            wish = Wish(
                tenant=endpoint.tenant,
                key=f"{endpoint.id}.disabled.{now_ms // HOUR_MS}",  # told once, whoever notices
                channel="email",
                to=endpoint.contact,
                template="webhook_endpoint_disabled",
                variables={"endpoint_id": endpoint.id, "reason": because},
            )
            self._notify(msgspec.json.encode({"request": wish}).decode())
        self._endpoints.disable(endpoint.id, because=because)


def _attributes(url: str) -> tracing.Attributes:
    """Return what a span tells of a stranger's URL: path and query may hold a secret of theirs."""
    match = egress.URL.fullmatch(url)
    return {"http.request.method": "POST", "server.address": match["host"] if match else ""}


def _classify(answer: egress.Answer, *, now_ms: int) -> Answer:
    status = answer.status
    if 200 <= status < 300:
        return Accepted(code=status, reference=f"HTTP {status}")
    if status == GONE:
        return Permanent(code=status, reason="HTTP 410: nobody wants these any more.")
    if 300 <= status < 400:
        return RetryAfter(code=status, reason=f"HTTP {status}: redirects are not followed.")
    retry_after = answer.headers.get("retry-after", "") if status in HEEDED else ""
    return RetryAfter(
        code=status, reason=f"HTTP {status}", seconds=_seconds(retry_after, now_ms=now_ms)
    )


def _seconds(retry_after: str, *, now_ms: int) -> int | None:
    """Return the wait that a Retry-After asks for, in seconds or as a date, within bounds."""
    if retry_after.isascii() and retry_after.isdigit():
        wait_s = int(retry_after[:9])
    else:
        try:
            wait_s = (
                int(email.utils.parsedate_to_datetime(retry_after).timestamp()) - now_ms // 1000
            )
        except (ValueError, OverflowError):
            return None
    return max(0, min(wait_s, RETRY_AFTER_MAX_S))
