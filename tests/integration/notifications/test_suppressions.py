"""Recipients that want no mail get none: by the tenant's word, their own, or a bounce."""

import email
import email.policy
import json
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.integration.notifications.bodies import SCOPES, receipt

NEWS = {"template": "newsletter", "variables": {"headline": "New <shop>", "text": "It is open."}}


@pytest.fixture
def suppress(api):
    """Tell an address not to write to."""
    return lambda to, **parts: api("POST", "/v1/suppressions", body={"to": to, **parts})


@pytest.fixture
def unsubscribe(api):
    """Open or post to a link."""

    def follow(method, link):
        query = {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}
        click = {
            "body": "List-Unsubscribe=One-Click",
            "headers": {"Content-Type": "application/x-www-form-urlencoded"},
        }
        posted = click if method == "POST" else {}
        return api(method, "/unsubscribe", query=query, tenant=None, **posted)

    return follow


@pytest.fixture
def read_mail(mailbox):
    """The newest mail to an address."""

    def read(address):
        sequence = mailbox.mails_to(address)[-1]["sequence"]
        return email.message_from_bytes(mailbox.raw(sequence), policy=email.policy.default)

    return read


@pytest.fixture
def bounce(function):
    """Have SES tell of a mail."""

    def tell(notification_id, kind="Bounce", **details):
        mail = {"tags": {"notification": [notification_id]}}
        event = json.dumps({"eventType": kind, "mail": mail, **details})
        function("notifications.app.feedback").invoke({"Records": [{"Sns": {"Message": event}}]})

    return tell


def test_a_suppressed_address_gets_nothing_also_of_what_was_accepted_before(
    create, show, suppress, deliver, mailbox, address
):
    notification_id = create("k", to=address).body["id"]
    suppressed = suppress(address.upper())
    deliver()
    shown = show(notification_id)

    assert (suppressed.status, suppressed.body["reason"]) == (201, "manual")
    assert (shown["status"], shown["failure"]) == ("suppressed", "manual")
    assert [each["result"] for each in shown["attempts"]] == ["suppressed"]
    assert mailbox.mails_to(address) == []


def test_the_others_of_a_batch_are_sent(create, show, suppress, deliver, address):
    suppress(address)
    ids = [create(to, to=to).body["id"] for to in (f"a.{address}", address, f"b.{address}")]
    deliver()

    assert [show(each)["status"] for each in ids] == ["delivered", "suppressed", "delivered"]


def test_another_tenants_suppression_counts_for_it_alone(api, sent, address):
    api("POST", "/v1/suppressions", body={"to": address}, tenant="somebody-else", scope=SCOPES)

    assert sent("k", to=address)["status"] == "delivered"


def test_suppressions_are_listed_in_pages_and_lifted(api, sent, suppress, address):
    made = [suppress(f"{i}.{address}").body["id"] for i in range(3)]
    again = suppress(f"0.{address}").body["id"]
    ids: list[str] = []
    after: dict[str, str] = {}
    for _ in range(2):
        page = api("GET", "/v1/suppressions", query={"limit": "2", **after}).body
        ids += [each["id"] for each in page["data"]]
        after = {"starting_after": ids[-1]}
    path = {"suppression_id": made[0]}
    foreign = api("DELETE", "/v1/suppressions/{suppression_id}", path=path, tenant="somebody-else")
    lifted = api("DELETE", "/v1/suppressions/{suppression_id}", path=path)
    gone = api("DELETE", "/v1/suppressions/{suppression_id}", path=path)

    assert again == made[0]
    assert (sorted(ids), page["has_more"]) == (sorted(made), False)
    assert (foreign.status, lifted.status, gone.status) == (404, 200, 404)
    assert sent("k", to=f"0.{address}")["status"] == "delivered"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "to"),
        ({"to": "nobody"}, "to"),
        ({"to": "+4915112345678"}, "to"),
        ({"to": "a@example.com", "channel": "webhook"}, "channel"),
        ({"to": "a@example.com", "reason": "bounce"}, "reason"),
    ],
)
def test_a_wrong_suppression_is_refused(api, body, param):
    answer = api("POST", "/v1/suppressions", body=body)

    assert (answer.status, answer.body["param"]) == (422, param)


def test_a_newsletter_offers_to_unsubscribe_with_one_click(sent, read_mail, address):
    sent("k", to=address, **NEWS)
    mail = read_mail(address)
    text, html = mail.iter_parts()
    link = mail["List-Unsubscribe"].strip("<>")

    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert link.startswith("http://127.0.0.1:5002/unsubscribe?id=ntf_")
    assert link in text.get_content()
    assert link.replace("&", "&amp;") in html.get_content()
    assert (mail["Subject"], "<h1>New &lt;shop&gt;</h1>" in html.get_content()) == (
        "New <shop>",
        True,
    )


def test_other_mails_do_not_offer_it(sent, read_mail, address):
    sent("k", to=address)

    assert read_mail(address)["List-Unsubscribe"] is None


def test_one_click_ends_newsletters_and_looking_at_the_page_does_not(
    sent, unsubscribe, read_mail, address
):
    sent("first", to=address, **NEWS)
    link = read_mail(address)["List-Unsubscribe"].strip("<>")
    looked = unsubscribe("GET", link)
    still = sent("second", to=address, **NEWS)
    clicked = [unsubscribe("POST", link) for _ in range(2)]
    ended = sent("third", to=address, **NEWS)

    assert (looked.status, '<form method="post">' in looked.text) == (200, True)
    assert [each.status for each in clicked] == [200, 200]
    assert still["status"] == "delivered"
    assert (ended["status"], ended["failure"]) == ("suppressed", "unsubscribe")


def test_who_unsubscribed_still_gets_what_is_no_newsletter(
    sent, unsubscribe, read_mail, deliver_wish, mailbox, tenant, address
):
    sent("first", to=address, **NEWS)
    unsubscribe("POST", read_mail(address)["List-Unsubscribe"].strip("<>"))
    deliver_wish(receipt(tenant, "receipt", address))

    assert len(mailbox.mails_to(address)) == 2
    assert sent("second", to=address)["status"] == "delivered"


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("change", [("signature=", "signature=x"), ("id=ntf_", "id=ntf_x")])
def test_a_link_that_we_have_not_made_does_nothing(
    sent, unsubscribe, read_mail, address, method, change
):
    sent("first", to=address, **NEWS)
    link = read_mail(address)["List-Unsubscribe"].strip("<>")
    refused = unsubscribe(method, link.replace(*change))

    assert (refused.status, refused.body["code"]) == (404, "not_found")
    assert sent("second", to=address, **NEWS)["status"] == "delivered"


@pytest.mark.parametrize("query", [None, {"id": "", "signature": ""}, {"signature": "\u20ac"}])
def test_a_link_that_lacks_something_is_not_found(api, query):
    assert api("GET", "/unsubscribe", query=query, tenant=None).status == 404


def test_a_newsletter_is_refused_where_links_cannot_be_signed(start, address):
    answer = start("notifications.app.app", UNSUBSCRIBE_KEY="").request(
        "POST",
        "/v1/notifications",
        body={"channel": "email", "to": address, **NEWS},
        headers={"Idempotency-Key": "k"},
        tenant="no-key",
        scope=SCOPES,
    )

    assert (answer.status, answer.body["code"]) == (422, "template_not_available")


FOR_GOOD = {"bounce": {"bounceType": "Permanent"}}


@pytest.mark.parametrize(
    ("kind", "details", "expected"),
    [
        ("Bounce", FOR_GOOD, ("bounce", "failed")),
        ("Complaint", {"complaint": {"complainedRecipients": []}}, ("complaint", "delivered")),
        ("Bounce", {"bounce": {"bounceType": "Transient"}}, (None, "delivered")),
    ],
)
def test_who_bounces_for_good_or_complains_gets_no_more(
    api, sent, show, bounce, kind, details, expected
):
    reason, status = expected
    notification_id = sent("k")["id"]
    bounce(notification_id, kind, **details)
    listed = api("GET", "/v1/suppressions").body["data"]

    assert [each["reason"] for each in listed] == [reason] * bool(reason)
    assert show(notification_id)["status"] == status


def test_a_bounce_replaces_an_unsubscription_which_stops_less(
    api, sent, bounce, unsubscribe, read_mail, address
):
    notification_id = sent("k", to=address, **NEWS)["id"]
    link = read_mail(address)["List-Unsubscribe"].strip("<>")
    unsubscribe("POST", link)
    bounce(notification_id, **FOR_GOOD)
    unsubscribe("POST", link)

    [listed] = api("GET", "/v1/suppressions").body["data"]
    assert listed["reason"] == "bounce"
