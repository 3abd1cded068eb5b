"""The scenarios: which arrival does what, its request as bytes, and what a good answer is.

Everything about an arrival follows from its index, the seed and the run's id, so the audit can
repeat each request afterwards without a record of it.
"""

import random
import secrets
import time
from array import array
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations

import orjson

from loadtest.generator import tracing
from loadtest.generator.profile import Schedule

SEED = 127_800
REPEAT_EVERY = 100  # 1 % of payments repeat an earlier key and body
REPEAT_AFTER_S = 1.0  # a client repeats what it has waited for, not what it is still sending
CURRENCIES = ("EUR", "USD", "GBP")
DECLINES = (
    "pm_card_chargeDeclined",
    "pm_card_insufficientFunds",
    "pm_card_expiredCard",
    "pm_card_processingError",
)
EVENTS = ("page_view", "add_to_cart", "checkout")
NOTIFICATION_TEMPLATE = "welcome"


HEALTH, PAYMENTS, ANALYTICS, NOTIFICATIONS = range(4)  # their numbers in SCENARIOS


@dataclass(frozen=True, slots=True)
class Workload:
    """A schedule with the scenario of each arrival and, for a repeat, the arrival it repeats."""

    schedule: Schedule
    scenario: bytes
    origin: "array[int]"  # the arrival's own index where it repeats nothing

    def __len__(self) -> int:
        return len(self.scenario)


@dataclass(frozen=True, slots=True)
class Payment:
    amount: int
    currency: str
    method: str
    receipt: bool

    @property
    def decline_code(self) -> str | None:
        """Return the code this payment must fail with, or None if it must succeed."""
        return _DECLINE_CODES.get(self.method)


_DECLINE_CODES = {
    "pm_card_chargeDeclined": "generic_decline",
    "pm_card_insufficientFunds": "insufficient_funds",
    "pm_card_expiredCard": "expired_card",
    "pm_card_processingError": "processing_error",
}


def workload(schedule: Schedule, seed: int = SEED) -> Workload:
    """Give each arrival its scenario, an equal share of any few, and 1 % of payments a repeat."""
    rng = random.Random(seed)
    orders = [bytes(order) for order in permutations(range(len(SCENARIOS)))]
    rounds = -(-len(schedule) // len(SCENARIOS))
    scenario = b"".join(rng.choice(orders) for _ in range(rounds))[: len(schedule)]
    return Workload(schedule, scenario, _origins(schedule, scenario, rng))


def _origins(schedule: Schedule, scenario: bytes, rng: random.Random) -> "array[int]":
    origin = array("l", range(len(schedule)))
    payments = [index for index, which in enumerate(scenario) if which == PAYMENTS]
    due_s = [schedule.due_s[index] for index in payments]
    for block in range(0, len(payments), REPEAT_EVERY):
        chosen = min(block + rng.randrange(REPEAT_EVERY), len(payments) - 1)
        earlier = bisect_right(due_s, due_s[chosen] - REPEAT_AFTER_S)
        if earlier:
            origin[payments[chosen]] = origin[payments[rng.randrange(earlier)]]
    return origin


def payment_of(index: int) -> Payment:
    """Return the payment that the arrival of this index asks for."""
    draw = (index * 2_654_435_761 >> 7) % 100  # Knuth's multiplier: neighbours differ
    declined = draw < len(DECLINES)
    return Payment(
        amount=100 + index * 7919 % 99_901,
        currency=CURRENCIES[index % len(CURRENCIES)],
        method=DECLINES[draw] if declined else "pm_card_visa",
        receipt=96 <= draw < 98,
    )


def receipt_email(run: str, index: int) -> str:
    return f"receipt.{run}.{index}@example.com"


def description_of(run: str, index: int) -> str:
    return f"load {run} {index}"


def event_name(run: str, index: int) -> str:
    return f"load.{run}.{EVENTS[index % len(EVENTS)]}"


def new_run_id() -> str:
    """Return a name for one run, by which all that it sends differs from what others send."""
    return f"{time.strftime('%Y%m%dt%H%M%S', time.gmtime())}{secrets.token_hex(2)}"


def _payment_body(run: str, index: int) -> str:
    payment = payment_of(index)
    receipt = f',"receipt_email":"{receipt_email(run, index)}"' if payment.receipt else ""
    return (
        f'{{"amount":{payment.amount},"currency":"{payment.currency}",'
        f'"payment_method":"{payment.method}",'
        f'"description":"{description_of(run, index)}"{receipt}}}'
    )


def _event_body(run: str, index: int) -> str:
    return (
        f'{{"name":"{event_name(run, index)}","event_id":"{run}-{index}",'
        f'"user_id":"user-{index % 5000}","value":{index % 500},'
        f'"properties":{{"page":"/products/{index % 97}"}}}}'
    )


def _notification_body(run: str, index: int) -> str:
    return (
        f'{{"channel":"email","to":"{run}.{index}@example.com",'
        f'"template":"{NOTIFICATION_TEMPLATE}","variables":{{"name":"Reader {index}"}}}}'
    )


@dataclass(frozen=True, slots=True)
class Scenario:
    """One route under load; each scenario gets the same share of the arrivals."""

    name: str
    method: str
    path: str
    status: int  # what a good answer carries
    function: str  # of the template, which answers it
    body: Callable[[str, int], str] | None = None  # the JSON of a run's arrival, by its index
    has_key: bool = False  # whether it needs an Idempotency-Key
    sign: tuple[str, object] | None = None  # a member of a good answer; None: it has an id


# A new domain is loaded by an entry here, with a function that makes its bodies.
SCENARIOS = (
    Scenario("health", "GET", "/health", 200, "ApiFunction", sign=("status", "ok")),
    Scenario(
        "payments", "POST", "/v1/payments", 201, "PaymentsFunction", _payment_body, has_key=True
    ),
    Scenario(
        "analytics",
        "POST",
        "/v1/analytics/events",
        202,
        "AnalyticsFunction",
        _event_body,
        sign=("accepted", 1),
    ),
    Scenario(
        "notifications",
        "POST",
        "/v1/notifications",
        202,
        "NotificationsFunction",
        _notification_body,
        has_key=True,
    ),
)


class Requests:
    """The requests of one run's arrivals, as bytes ready to send.

    `stage` is the path before every route, such as /Prod of an API's own address on AWS.
    """

    def __init__(
        self,
        work: Workload,
        *,
        run: str,
        token: str,
        host: str,
        keep_alive: bool,
        stage: str = "",
    ):
        self.work = work
        self.run = run
        common = f"Host: {host}\r\nAuthorization: Bearer {token}\r\nAccept: application/json\r\n"
        common += "User-Agent: spillway-loadtest\r\n"
        common += "" if keep_alive else "Connection: close\r\n"
        posted = common + "Content-Type: application/json\r\n"
        lines = [f"{each.method} {stage}{each.path} HTTP/1.1\r\n" for each in SCENARIOS]
        self._bare = [f"{line}{common}\r\n".encode() for line in lines]
        self._heads = [f"{line}{posted}Content-Length: ".encode() for line in lines]

    def of(self, index: int) -> bytes:
        """Return the whole request of one arrival; a repeat gets the bytes of what it repeats.

        One that is traced has a header more.
        """
        index = self.work.origin[index]
        if not tracing.is_traced(index):
            return self._of(index)
        head, _, body = self._of(index).partition(b"\r\n\r\n")
        traceparent = tracing.traceparent(self.run, index).encode()
        return head + b"\r\ntraceparent: " + traceparent + b"\r\n\r\n" + body

    def _of(self, index: int) -> bytes:
        which = self.work.scenario[index]
        scenario = SCENARIOS[which]
        if scenario.body is None:
            return self._bare[which]
        body = scenario.body(self.run, index)
        length = f"{len(body)}"
        if scenario.has_key:
            length += f"\r\nIdempotency-Key: {self.run}-{index}"
        return self._heads[which] + f"{length}\r\n\r\n{body}".encode()


def id_in(which: int, body: bytes) -> str | None:
    """Return the id in a good answer's body, "" where it has none; None for a bad body."""
    try:
        answer = orjson.loads(body)
        sign = SCENARIOS[which].sign
        if sign:
            return "" if answer[sign[0]] == sign[1] else None
        object_id = answer["id"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return object_id if isinstance(object_id, str) and object_id else None
