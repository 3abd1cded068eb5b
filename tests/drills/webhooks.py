"""Receivers of webhooks that fail, hang, leave, ask for time and lead inside, beside a good one.

Passes when the good one gets each event once, nobody is led anywhere, the one that has gone is
disabled, and what comes again to a receiver has the `webhook-id` of the first attempt.
"""

import time
from collections import Counter

from backend.announcer import FRESH_S
from tests.drills.payments import Site, Surroundings, holds_within
from tests.integration.webhook_sink import Drip, WebhookSink

HOOKS = "/v1/webhook-endpoints"
INSIDE = "http://169.254.169.254/latest/meta-data/"
INSIDE_URLS = (
    INSIDE,
    "http://10.0.0.1/",
    "http://[::ffff:a00:1]/",
)
PAYMENTS = 12
DELIVERED_WITHIN_S = 60.0
AGAIN_WITHIN_S = 120.0  # 5 s by the schedule, behind what hangs in the lane of those that fail


def to_loopback(surroundings: Surroundings) -> None:
    """Let webhooks go to this machine, where the drill's receivers are."""
    surroundings.variables["WEBHOOKS_TO_LOOPBACK"] = "yes"


def bad_receivers(site: Site, surroundings: Surroundings) -> tuple[str, bool]:
    """Make payments of a tenant whose receivers do all that is wrong, and one that is right."""
    enter = surroundings.stack.enter_context
    trap = enter(WebhookSink())
    receivers = {
        "good": enter(WebhookSink()),
        "fails": enter(WebhookSink(answers=[500])),
        "hangs": enter(WebhookSink(answers=[Drip(1.0)])),
        "gone": enter(WebhookSink(answers=[410])),
        "busy": enter(WebhookSink(answers=[(429, {"Retry-After": "3"})])),
        "leads to a trap": enter(WebhookSink(answers=[(302, {"Location": trap.url})])),
        "leads inside": enter(WebhookSink(answers=[(302, {"Location": INSIDE})])),
    }
    ids = {name: _endpoint(site, sink.url) for name, sink in receivers.items()}
    refused = [site.demo.call("POST", HOOKS, {"url": each}).status for each in INSIDE_URLS]
    time.sleep(FRESH_S + 1)  # until every process knows them
    site.create_many(PAYMENTS)
    good = receivers["good"]
    arrived = holds_within(lambda: len(_ids(good)) >= PAYMENTS, DELIVERED_WITHIN_S)
    again = holds_within(lambda: max(_ids(receivers["fails"]).values()) > 1, AGAIN_WITHIN_S)
    left = site.demo.call("GET", f"{HOOKS}/{ids['gone']}").body["status"]
    copies = Counter(_ids(good).values())
    claims = {
        "the good one got not all": not arrived,
        "the good one got some twice": set(copies) != {1},
        "nothing came again under its id": not again,
        f"the one that has gone is {left}": left != "disabled",
        "somebody was led": bool(trap.deliveries),
        f"addresses inside were answered {refused}": set(refused) != {422},
    }
    wrong = [claim for claim, is_so in claims.items() if is_so]
    attempts = sum(len(each.deliveries) for each in receivers.values())
    evidence = (
        f"{attempts} attempts at 7 receivers, 6 of them bad; the good one got {len(_ids(good))},"
        f" {len(trap.deliveries)} were led on, {len(refused)} addresses inside refused"
    )
    return "; ".join([evidence, *wrong]), not wrong


def _endpoint(site: Site, url: str) -> str:
    answer = site.demo.call("POST", HOOKS, {"url": url})
    assert answer.status == 201, answer
    return str(answer.body["id"])


def _ids(sink: WebhookSink) -> Counter[str]:
    return Counter(each.headers["webhook-id"] for each in tuple(sink.deliveries))
