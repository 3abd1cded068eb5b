"""A receiver of webhooks that gives no answer is left alone, and nobody else is; virtual time."""

from dataclasses import dataclass

from backend import egress
from notifications.channels.webhook import WebhookChannel
from notifications.holds import Later
from notifications.rendered import Rendered
from notifications.schema import Notification
from notifications.webhooks import receivers
from notifications.webhooks.endpoints import Endpoint
from notifications.webhooks.receivers import AGAIN_MS, Receivers
from redis_sqs.breaker import OPEN_FIRST_S, OPEN_LONGEST_S

NOW_MS = 1_790_000_000_000
SILENT, GOOD = "https://silent.example.com/hooks", "https://good.example.com/hooks"


@dataclass
class Clock:
    now_s: float = 100.0

    def __call__(self) -> float:
        return self.now_s


class Store:
    """A store of the endpoints that are asked for."""

    def find_many(self, endpoint_ids):
        return {each: endpoint(each) for each in endpoint_ids}

    def set_failing_since(self, endpoint_id, before_ms, after_ms):
        """Remember nothing."""

    def disable(self, endpoint_id, *, because):
        raise AssertionError(because)


class Out:
    """A way out on which one host is silent, and another one fails."""

    def post(self, url, body, headers):
        if url == SILENT:
            raise egress.NoAnswer("No answer in time.")
        return egress.Answer(status=500, headers={})


def endpoint(url: str) -> Endpoint:
    return Endpoint(
        id=url,
        tenant="t",
        place=0,
        url=url,
        events=(),
        contact=None,
        created_ms=0,
        secret="whsec_" + "A" * 44,
    )


def delivery(number: int, url: str) -> Notification:
    return Notification(
        id=f"ntf_{number}",
        tenant="t",
        fingerprint="",
        created_ms=0,
        channel="webhook",
        to=url,
        rendered=Rendered(template="event", version=1, subject="", text="", html=""),
        status="sending",
    )


def held(known: Receivers, *urls: str) -> dict[str, Later]:
    endpoints = {each: endpoint(each) for each in urls}
    batch = [delivery(number, url) for number, url in enumerate(urls)]
    return known.holds(batch, endpoints, now_ms=NOW_MS)


def test_what_is_due_at_a_silent_host_waits_and_what_is_due_elsewhere_does_not():
    known = Receivers(Clock())
    known.learn(SILENT, has_answered=False)

    holds = held(known, SILENT, GOOD, SILENT)

    assert holds.keys() == {"ntf_0", "ntf_2"}
    assert all(
        NOW_MS + 500 * OPEN_FIRST_S <= each.due_ms <= NOW_MS + 1000 * OPEN_FIRST_S
        for each in holds.values()
    )


def test_a_post_without_an_answer_is_what_makes_a_host_silent_and_a_status_is_an_answer():
    known = Receivers(Clock())
    channel = WebhookChannel(Store(), Out(), notify=lambda _: None, receivers=known)

    channel.send_all([delivery(0, SILENT), delivery(1, GOOD)])

    assert held(known, SILENT, GOOD).keys() == {"ntf_0"}


def test_after_a_while_one_delivery_finds_out_and_an_answer_ends_the_wait():
    clock = Clock()
    known = Receivers(clock)
    known.learn(SILENT, has_answered=False)
    clock.now_s += OPEN_FIRST_S

    assert held(known, SILENT, SILENT) == {"ntf_1": Later(NOW_MS + AGAIN_MS)}

    known.learn(SILENT, has_answered=True)

    assert held(known, SILENT, SILENT) == {}


def test_a_host_that_stays_silent_is_left_alone_for_longer_each_time_up_to_a_bound():
    clock = Clock()
    known = Receivers(clock)
    for _ in range(10):
        known.learn(SILENT, has_answered=False)
        clock.now_s += OPEN_LONGEST_S
    known.learn(SILENT, has_answered=False)
    (hold,) = held(known, SILENT).values()

    assert NOW_MS + 500 * OPEN_LONGEST_S <= hold.due_ms <= NOW_MS + 1000 * OPEN_LONGEST_S


def test_no_more_than_a_bounded_number_of_silent_hosts_is_remembered(monkeypatch):
    monkeypatch.setattr(receivers, "HOSTS_MAX", 2)
    known = Receivers(Clock())
    urls = [f"https://host{number}.example.com/" for number in range(3)]
    for url in urls:
        known.learn(url, has_answered=False)

    assert held(known, *urls).keys() == {"ntf_1", "ntf_2"}
