"""A client of a scripted API, on a clock that moves only by waiting."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from spillway_client import Client, Retries
from spillway_client.client import DEFAULT_RETRIES
from spillway_client.transport import Clock
from tests.unit.clients.scripted_api import Answer, ScriptedApi

HEALTH = Answer(body={"status": "ok"})


@dataclass
class TestClock:
    """A clock that moves only by waiting; each chance is the greatest one."""

    __test__ = False
    now_s: float = 1000.0
    waits: list[float] = field(default_factory=list)

    def sleep(self, wait_s: float) -> None:
        self.waits.append(wait_s)
        self.now_s += wait_s

    def clock(self) -> Clock:
        return Clock(now=lambda: self.now_s, sleep=self.sleep, uniform=lambda least, most: most)


@contextmanager
def client_of(
    api: ScriptedApi, clock: TestClock, retries: Retries = DEFAULT_RETRIES
) -> Iterator[Client]:
    with Client(api.url, "demo", "secret", clock=clock.clock(), retries=retries) as client:
        yield client


def problem(status: int, code: str, **members: object) -> Answer:
    headers = {"Retry-After": str(members.pop("retry_after"))} if "retry_after" in members else {}
    body = {"code": code, "detail": "No.", "request_id": "req_1", "retryable": True, **members}
    return Answer(status, body, headers)


def notify(client: Client, key: str | None = None) -> str:
    return client.create_notification(
        channel="email", to="ada@example.com", template="welcome", idempotency_key=key
    ).id
