"""Preferences: a category that a recipient wants no more of; what is critical always goes."""

import email
import email.policy
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.integration.notifications.bodies import SCOPES

TEMPLATE = {"subject": "s", "text": "Hello", "variables": {}}


@pytest.fixture
def put_template(api):
    """Make a template of a category."""

    def put(name, category, **changes):
        body = {**TEMPLATE, "category": category, **changes}
        assert api("PUT", "/v1/templates/{name}", path={"name": name}, body=body).status == 200

    return put


@pytest.fixture
def prefer(api, address):
    """Say whether a recipient wants a category."""

    def put(category, wanted, to=address, **parts):
        body = {"to": to, "wanted": wanted, **parts}
        return api("PUT", "/v1/preferences/{category}", path={"category": category}, body=body)

    return put


@pytest.fixture
def preferences(api, address):
    """Read what a recipient wants, by category."""

    def get():
        page = api("GET", "/v1/preferences", query={"to": address}).body["data"]
        return {each["category"]: (each["wanted"], each.get("reason")) for each in page}

    return get


@pytest.fixture
def outcome(sent, address):
    """Send by a template and return the status, and why."""

    def send(name, key="k", to=address, **changes):
        shown = sent(f"{name}{key}", template=name, to=to, variables={}, **changes)
        return shown["status"], shown.get("failure")

    return send


def test_of_a_category_that_is_not_wanted_only_what_is_critical_goes(
    put_template, prefer, outcome, address
):
    put_template("tips", "tips")
    put_template("alert", "tips", critical=True)
    put_template("offer", "offers")
    refused = prefer("tips", False, to=address.upper())

    assert (refused.status, refused.body["wanted"], refused.body["reason"]) == (
        200,
        False,
        "preference",
    )
    assert outcome("tips") == ("suppressed", "preference")
    assert outcome("alert") == ("delivered", None)
    assert outcome("offer") == ("delivered", None)
    assert outcome("tips", "other", to=f"b.{address}") == ("delivered", None)
    assert prefer("tips", True).body["wanted"] is True
    assert outcome("tips", "again") == ("delivered", None)


def test_preferences_are_shown_for_each_category_of_the_templates(
    put_template, prefer, preferences, address
):
    put_template("tips", "tips")
    put_template("offer", "offers")
    prefer("offers", False)

    assert preferences() == {
        "newsletter": (True, None),
        "offers": (False, "preference"),
        "tips": (True, None),
    }


def test_the_link_in_a_mail_ends_its_category_only(
    put_template, outcome, preferences, mailbox, api, address
):
    put_template("tips", "tips")
    put_template("offer", "offers")
    outcome("tips")
    raw = mailbox.raw(mailbox.mails_to(address)[-1]["sequence"])
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    link = mail["List-Unsubscribe"].strip("<>")
    query = {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}
    clicked = api(
        "POST",
        "/unsubscribe",
        query=query,
        tenant=None,
        body="List-Unsubscribe=One-Click",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )

    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert clicked.status == 200
    assert preferences()["tips"] == (False, "unsubscribe")
    assert outcome("tips", "again") == ("suppressed", "unsubscribe")
    assert outcome("offer") == ("delivered", None)
    [listed] = api("GET", "/v1/suppressions").body["data"]
    assert (listed["category"], listed["reason"]) == ("tips", "unsubscribe")


def test_the_category_newsletter_is_that_of_the_built_in_newsletter(
    put_template, prefer, outcome, sent, address
):
    put_template("digest", "newsletter")
    news = {"template": "newsletter", "variables": {"headline": "h", "text": "t"}, "to": address}
    prefer("newsletter", False)

    assert outcome("digest") == ("suppressed", "preference")
    assert sent("news", **news)["failure"] == "preference"
    prefer("newsletter", True)
    assert sent("news2", **news)["status"] == "delivered"


def test_a_suppressed_recipient_gets_nothing_critical_and_a_preference_does_not_lift_that(
    put_template, prefer, outcome, api, address
):
    put_template("alert", "newsletter", critical=True)
    put_template("tips", "tips")
    prefer("newsletter", False)
    api("POST", "/v1/suppressions", body={"to": address})
    wanted = prefer("newsletter", True)

    assert (wanted.body["wanted"], wanted.body["reason"]) == (False, "manual")
    assert outcome("alert") == ("suppressed", "manual")
    assert outcome("tips") == ("suppressed", "manual")


def test_what_waits_is_sent_by_the_preference_of_its_time(
    put_template, create, prefer, show, deliver, address
):
    put_template("tips", "tips")
    waiting = create("k", template="tips", to=address, variables={}).body["id"]
    prefer("tips", False)
    deliver()

    assert show(waiting)["status"] == "suppressed"


@pytest.mark.parametrize(
    ("category", "changes", "param"),
    [
        ("No", {}, "category"),
        ("tips", {"to": "nobody"}, "to"),
        ("tips", {"channel": "webhook"}, "channel"),
        ("tips", {"wanted": "yes"}, "wanted"),
    ],
)
def test_a_preference_that_nobody_can_have_is_refused(prefer, category, changes, param):
    refused = prefer(category, **{"wanted": False, **changes})

    assert (refused.status, refused.body["param"]) == (422, param)


def test_a_preference_is_its_tenants_only(put_template, prefer, api, address):
    prefer("newsletter", False)
    other = api("GET", "/v1/preferences", query={"to": address}, tenant="x", scope=SCOPES)

    assert [each["wanted"] for each in other.body["data"]] == [True]
