"""Events go to analytics always, and to webhooks where somebody listens; asking is rare."""

import json
from typing import get_args

from backend.announcer import FRESH_S, Announcer, Listeners
from backend.domain_events import TYPES, EventPattern, matches, types_of


class Sent:
    """A queue that keeps what it is sent."""

    def __init__(self):
        self.bodies = []
        self.traces = []

    def send(self, body):
        return self.send_batch([body])[0]

    def send_batch(self, bodies, *, traces=(), groups=(), is_promised=False):
        self.bodies += bodies
        self.groups = groups
        self.traces += traces
        return [str(each) for each in range(len(bodies))]

    def depth(self):
        raise NotImplementedError


def of(tenant):
    events = [{"name": "payment.succeeded", "data": {"metadata": {}}}]
    return json.dumps({"tenant": tenant, "events": events})


def counted(tenant):
    return {"tenant": tenant, "events": [{"name": "payment.succeeded"}]}


def test_webhooks_get_the_events_of_those_who_listen_and_analytics_gets_all():
    events, webhooks = Sent(), Sent()
    announcer = Announcer(events, webhooks, listens=lambda tenant: tenant == "listens")

    announcer.send_batch([of("listens"), of("does not"), of("listens")])
    announcer.send(of("does not"))
    tenants = ["listens", "does not", "listens", "does not"]
    assert [json.loads(each) for each in events.bodies] == [counted(each) for each in tenants]
    assert webhooks.bodies == [of("listens"), of("listens")]


def test_each_announcement_stays_in_its_own_trace():
    events, webhooks = Sent(), Sent()
    announcer = Announcer(events, webhooks, listens=lambda tenant: tenant == "listens")

    announcer.send_batch([of("does not"), of("listens")], traces=["Root=1", "Root=2"])
    assert events.traces == ["Root=1", "Root=2"]
    assert webhooks.traces == ["Root=2"]


def test_whether_a_tenant_listens_is_asked_once_in_a_while():
    questions, now_s = [], [0.0]

    def look_up(tenant):
        questions.append(tenant)
        return len(questions) > 2

    listeners = Listeners(look_up, now_s=lambda: now_s[0])

    assert [listeners("a"), listeners("a"), listeners("b")] == [False, False, False]
    assert questions == ["a", "b"]
    now_s[0] += FRESH_S
    assert listeners("a")
    assert questions == ["a", "b", "a"]


def test_a_pattern_stands_for_a_type_for_all_of_a_domain_or_for_all():
    domains = {f"{each.partition('.')[0]}.*" for each in TYPES}

    assert set(get_args(EventPattern)) == {*TYPES, *domains, "*"}
    assert types_of("*") == types_of("payment.*") == list(TYPES)
    assert types_of("payment.failed") == ["payment.failed"]
    assert not matches("payment.*", "payments.failed")
    assert not matches("payment.cancel", "payment.canceled")
