"""The schedule of webhooks on a virtual clock: worker, queue with SQS's bounds, and relay."""

import email.utils
from dataclasses import dataclass, field

import msgspec
import pytest

from backend import egress
from backend.domain_events import Event
from backend.queues import Depth
from notifications import delivery, life_cycle, wakeups
from notifications.answers import Accepted, Permanent
from notifications.channels.webhook import SCHEDULE_S, WebhookChannel
from notifications.schema import Attempt, NotificationMessage, view
from notifications.webhooks import events, sealing
from notifications.webhooks.endpoints import Endpoint
from notifications.webhooks.receivers import Receivers

START_MS = 1_790_000_000_000
DAY_MS = 86_400_000
RELAY_EVERY_MS = 60_000  # as on AWS
DELAY_MAX_S = 900  # SQS's
ENDPOINT = Endpoint(
    id="we_1",
    tenant="t",
    place=0,
    url="https://hooks.example.com/",
    events=(),
    contact="ops@example.com",
    created_ms=START_MS,
    secret="whsec_" + "A" * 44,
)
EVENT = Event(event_id="pay_1.2", name="payment.succeeded", occurred_at_ms=START_MS, value=1)


@dataclass
class World:
    """A receiver's answers and everything around it, in virtual time."""

    answers: list[egress.Answer]
    now_ms: int = START_MS
    posts_ms: list[int] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    queue: list[tuple[int, str]] = field(default_factory=list)  # visible at, body
    notices: list[str] = field(default_factory=list)
    endpoint: Endpoint = ENDPOINT
    delays_s: list[int] = field(default_factory=list)
    backlog_s: float = 0.0

    def __post_init__(self):
        self.channel = WebhookChannel(
            self,
            self,
            notify=self.notices.append,
            receivers=Receivers(),
            now_ms=lambda: self.now_ms,
        )
        self.announce()

    def announce(self):
        self.notification = events.delivery(EVENT, ENDPOINT, now_ms=self.now_ms)
        self.send(msgspec.json.encode({"id": self.notification.id}).decode())

    def run(self, days=10):
        """Let time pass from one thing that happens to the next, until that day."""
        next_relay_ms = self.now_ms + RELAY_EVERY_MS
        while self.now_ms < START_MS + days * DAY_MS:
            visible_ms = min((at for at, _ in self.queue), default=next_relay_ms)
            self.now_ms = min(visible_ms, next_relay_ms)
            if self.queue and visible_ms <= self.now_ms:
                self.receive()
            if self.now_ms == next_relay_ms:
                next_relay_ms += RELAY_EVERY_MS
                wakeups.relay(notifications=self, queues=self.queues, now_ms=self.now_ms)
        return self.notification

    @property
    def queues(self):
        return {"webhook": self}

    def receive(self):
        message = min(self.queue)
        self.queue.remove(message)
        delivery.deliver(
            [msgspec.json.decode(message[1], type=NotificationMessage)],
            notifications=self,
            channels={"webhook": self.channel},
            queues=self.queues,
            now_ms=self.now_ms,
        )

    # the queue
    def send(self, body, *, delay_s=0, trace="", group="", is_promised=False):
        assert 0 <= delay_s <= DELAY_MAX_S
        self.delays_s.append(delay_s)
        self.queue.append((self.now_ms + delay_s * 1000, body))
        return ""

    def depth(self):
        return Depth(
            visible=int(self.backlog_s > 0),
            delayed=len(self.queue),
            in_flight=0,
            oldest_age_s=self.backlog_s,
        )

    # the store of notifications
    def claim(self, ids, new, *, claim, now_ms, until_ms):
        if self.notification.claimable_at_ms <= now_ms:
            self.notification = msgspec.structs.replace(
                self.notification,
                status="sending",
                claim=claim,
                claimable_at_ms=until_ms,
                attempts=(*self.notification.attempts, Attempt(at_ms=now_ms)),
            )
        return [self.notification]

    def finish(self, changed):
        [self.notification] = changed or [self.notification]

    def waiting(self, until_ms, *, limit):
        wake_ms = self.notification.wake_ms
        return [self.notification] if isinstance(wake_ms, int) and wake_ms <= until_ms else []

    def woken(self, notifications):
        [self.notification] = notifications or [self.notification]

    # the store of endpoints
    def find_many(self, endpoint_ids):
        return {self.endpoint.id: self.endpoint}

    def set_failing_since(self, endpoint_id, before_ms, after_ms):
        assert self.endpoint.failing_since_ms == before_ms
        self.endpoint = msgspec.structs.replace(self.endpoint, failing_since_ms=after_ms)

    def disable(self, endpoint_id, *, because):
        self.endpoint = msgspec.structs.replace(self.endpoint, disabled_because=because)

    # the receiver
    def post(self, url, body, headers):
        self.posts_ms.append(self.now_ms)
        self.ids.add(headers["webhook-id"])
        assert headers["webhook-timestamp"] == str(self.now_ms // 1000)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def answer(status, **headers):
    return egress.Answer(
        status=status, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


def waits_s(world):
    return [(b - a) / 1000 for a, b in zip(world.posts_ms, world.posts_ms[1:], strict=False)]


def test_an_endpoint_that_only_fails_is_tried_ten_times_over_three_days():
    world = World([answer(500)])

    ended = world.run()
    assert ended.status == "failed"
    assert world.posts_ms[0] == START_MS
    assert len(world.posts_ms) == 10
    for waited_s, planned_s in zip(waits_s(world), SCHEDULE_S, strict=True):
        assert planned_s <= waited_s <= planned_s * (1 + life_cycle.JITTER) + 1
    assert world.ids == {ended.id}
    assert max(world.delays_s) <= DELAY_MAX_S


def test_an_endpoint_that_recovers_gets_its_webhook_at_the_next_attempt():
    world = World([answer(500), answer(302, location="https://a.example"), answer(204)])

    ended = world.run()
    assert ended.status == "delivered"
    assert [each.outcome.code for each in ended.attempts] == [500, 302, 204]
    assert world.endpoint.failing_since_ms is None


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_receiver_may_ask_for_a_longer_wait(status):
    world = World([answer(status, retry_after="3600"), answer(204)])

    assert world.run().status == "delivered"
    assert 3600 <= waits_s(world)[0] <= 3600 * (1 + life_cycle.JITTER) + 1


def test_a_wait_may_be_given_as_a_date():
    in_two_hours = email.utils.formatdate(START_MS / 1000 + 7_200, usegmt=True)
    world = World([answer(429, retry_after=in_two_hours), answer(204)])

    assert world.run().status == "delivered"
    assert 7_200 <= waits_s(world)[0] <= 7_200 * (1 + life_cycle.JITTER) + 1


@pytest.mark.parametrize(
    ("status", "retry_after"),
    [(503, "0"), (503, "soon"), (503, ""), (503, "-9"), (500, "3600"), (503, "Mon, 99 Foo 2026")],
)
def test_a_wait_that_is_shorter_or_senseless_changes_nothing(status, retry_after):
    world = World([answer(status, retry_after=retry_after), answer(204)])

    assert world.run().status == "delivered"
    assert waits_s(world)[0] <= 7


@pytest.mark.parametrize("retry_after", ["999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_nobody_can_make_us_wait_for_longer_than_a_day(retry_after):
    world = World([answer(503, retry_after=retry_after), answer(204)])

    assert world.run().status == "delivered"
    assert waits_s(world)[0] <= 86_400 * (1 + life_cycle.JITTER) + 1


def test_an_endpoint_that_is_gone_is_disabled_and_its_owner_told():
    world = World([answer(410)])

    assert world.run().status == "failed"
    assert len(world.posts_ms) == 1
    assert world.endpoint.disabled_because == "It answered 410 Gone."
    [notice] = [msgspec.json.decode(each)["request"] for each in world.notices]
    assert (notice["to"], notice["template"]) == ("ops@example.com", "webhook_endpoint_disabled")


def test_two_workers_that_find_an_endpoint_gone_tell_its_owner_once():
    world = World([answer(410)])
    for _ in range(2):
        world.endpoint = ENDPOINT  # as the other saw it
        world.channel.send_all([world.notification])

    keys = [msgspec.json.decode(each)["request"]["key"] for each in world.notices]
    assert (len(keys), len(set(keys))) == (2, 1)


def test_the_old_secret_signs_for_a_day():
    rotating = msgspec.structs.replace(
        ENDPOINT, old_secret="whsec_old", old_secret_until_ms=START_MS + DAY_MS
    )

    assert rotating.secrets(now_ms=START_MS + DAY_MS - 1) == [ENDPOINT.secret, "whsec_old"]
    assert rotating.secrets(now_ms=START_MS + DAY_MS) == [ENDPOINT.secret]


def test_an_endpoint_that_has_failed_for_days_is_disabled_at_the_next_failure():
    world = World([answer(500)])
    world.run(days=4)
    world.announce()
    world.run(days=8)

    assert world.endpoint.disabled_because == "No delivery has succeeded for 5 days."
    assert view(world.notification).failure == "The endpoint is disabled."
    assert (world.notification.status, len(world.notices)) == ("failed", 1)


@pytest.mark.parametrize(
    "difference",
    [
        {"secret": sealing.seal(ENDPOINT.secret, "a key that was changed")},
        {"disabled_because": "It was disabled by hand."},
        {"tenant": "another"},
    ],
)
@pytest.mark.parametrize("failing_since_ms", [None, START_MS - 6 * DAY_MS])
def test_an_attempt_that_is_not_posted_is_no_failure_of_the_receiver(difference, failing_since_ms):
    world = World([answer(500)])
    before = msgspec.structs.replace(ENDPOINT, failing_since_ms=failing_since_ms, **difference)
    world.endpoint = before
    [outcome] = world.channel.send_all([world.notification])

    assert not isinstance(outcome, Accepted)
    assert (world.endpoint, world.posts_ms, world.notices) == (before, [], [])


def test_attempts_that_are_not_posted_leave_those_that_are_to_speak_for_the_receiver():
    world = World([answer(204)])
    world.endpoint = msgspec.structs.replace(ENDPOINT, failing_since_ms=START_MS - DAY_MS)
    foreign = msgspec.structs.replace(world.notification, id="ntf_2", tenant="another")
    outcomes = world.channel.send_all([foreign, world.notification])

    assert isinstance(outcomes[0], Permanent)
    assert isinstance(outcomes[1], Accepted)
    assert world.endpoint.failing_since_ms is None


def test_a_message_that_may_still_wait_in_a_backlog_is_not_sent_again():
    world = World([answer(204)])
    world.queue.clear()
    world.backlog_s = 100.0
    relayed = []
    for after_s in (60, 120, 140):
        world.now_ms = START_MS + after_s * 1000
        relayed.append(wakeups.relay(notifications=world, queues=world.queues, now_ms=world.now_ms))

    assert relayed == [0, 0, 1]


def test_one_success_ends_the_days_of_failure():
    world = World([answer(500)])
    world.run(days=4)
    world.answers = [answer(204), answer(500)]
    world.announce()
    world.run(days=5)
    world.announce()
    world.run(days=8)

    assert world.endpoint.disabled_because is None
    assert (world.endpoint.failing_since_ms or 0) >= START_MS + 5 * DAY_MS
