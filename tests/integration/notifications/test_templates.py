"""Templates of a tenant's own: their versions, what is sent by them, and how it is looked at."""

import threading

import pytest

from tests.integration.notifications.bodies import SCOPES

ORDER = {
    "category": "orders",
    "critical": True,
    "subject": "Order {{ number }}",
    "text": "Hello {{ name }}, thank you.\n{% for x in items %}- {{ x.title }}\n{% endfor %}",
    "html": "<p>Hello {{ name }}</p>",
    "variables": {
        "name": {"type": "string", "default": "you"},
        "number": {"type": "integer"},
        "items": {
            "type": "list",
            "required": False,
            "fields": {"title": {"type": "string"}},
        },
    },
}
PATH = "/v1/templates/{name}"
ROUNDS = 20


@pytest.fixture
def put(api):
    """Make a template or its next version."""

    def ask(name="order_placed", **changes):
        return api("PUT", PATH, path={"name": name}, body={**ORDER, **changes})

    return ask


@pytest.fixture
def of(api):
    """Ask for something of a template."""

    def ask(method, part="", name="order_placed", **parts):
        return api(method, f"{PATH}{part}", path={"name": name}, **parts)

    return ask


@pytest.fixture
def order(create, address):
    """Ask for a notification by the template."""

    def ask(key="k", **changes):
        by = {"template": "order_placed", "variables": {"number": 7}, "to": address}
        return create(key, **{**by, **changes})

    return ask


def test_each_update_makes_a_version_and_none_ever_changes(put, of):
    versions = [put().body["version"], put(text="Two").body["version"], put().body["version"]]
    listed = of("GET", "/versions").body["data"]
    second = of("GET", query={"version": "2"}).body

    assert versions == [1, 2, 3]
    assert [each["version"] for each in listed] == [3, 2, 1]
    assert (second["text"], second["subject"]) == ("Two", ORDER["subject"])
    assert {**ORDER, **of("GET").body} == of("GET").body


def test_the_same_content_again_makes_no_version(put):
    assert [put().body["version"], put().body["version"]] == [1, 1]


def test_updates_at_one_time_each_make_a_version(put, of, start, tenant):
    put()
    other = start("notifications.app.app")
    other.request("GET", "/v1/templates", tenant=tenant, scope=SCOPES)
    texts = {}

    def put_by_another_environment():
        for number in range(ROUNDS):
            body = {**ORDER, "text": f"other {number}"}
            answer = other.request(
                "PUT", PATH, path={"name": "order_placed"}, body=body, tenant=tenant, scope=SCOPES
            )
            texts[body["text"]] = answer.body.get("version")

    thread = threading.Thread(target=put_by_another_environment)
    thread.start()
    for number in range(ROUNDS):
        texts[f"{number}"] = put(text=f"{number}").body.get("version")
    thread.join()
    versions = [each for each in texts.values() if each]

    assert sorted(versions) == list(range(2, 2 + len(versions)))
    assert len(versions) > ROUNDS
    assert of("GET").body["version"] == 1 + len(versions)


def test_the_newest_twenty_versions_are_kept(put, of, database, tenant):
    put()
    newest = database["templates"].find_one({"tenant": tenant})["newest"]
    database["templates"].update_one(
        {"tenant": tenant},
        {
            "$set": {
                "newest.number": 20,
                "earlier": [{**newest, "number": each} for each in range(1, 20)],
            }
        },
    )
    put(text="21")
    put(text="22")
    gone = of("GET", query={"version": "2"})

    assert len(of("GET", "/versions").body["data"]) == 20
    assert (gone.status, gone.body["code"]) == (422, "unknown_template_version")
    assert "3 to 22" in gone.body["detail"]


def test_a_notification_is_sent_by_the_newest_version_and_says_which(put, order, show, mailbox):
    put()
    put(subject="Your order {{ number }}")
    shown = show(order().body["id"])

    assert (shown["template"], shown["template_version"]) == ("order_placed", 2)
    assert (shown["subject"], shown["category"]) == ("Your order 7", "orders")


def test_a_notification_may_name_its_version(put, order, show):
    put()
    put(subject="Your order {{ number }}")

    assert show(order("old", template_version=1).body["id"])["subject"] == "Order 7"
    assert show(order("new").body["id"])["subject"] == "Your order 7"
    refusal = order("none", template_version=3).body
    assert refusal["code"] == "unknown_template_version"
    detail = "There is no version 3 of this template; its versions are 1 to 2."
    assert refusal["detail"] == detail
    built_in = order("b", template="welcome", variables={"name": "Ada"}, template_version=2)
    assert built_in.body["param"] == "template_version"


def test_a_repeat_is_answered_by_what_was_accepted_whatever_became_of_the_template(
    put, of, order, show
):
    put()
    first = order()
    put(variables={}, subject="s", text="t", html="")
    repeated = order()
    of("POST", "/archive")
    after = order()
    reused = order(variables={"number": 8})

    assert {first.body["id"], repeated.body["id"], after.body["id"]} == {first.body["id"]}
    assert after.headers["idempotent-replayed"] == "true"
    assert show(first.body["id"])["template_version"] == 1
    assert reused.body["code"] == "idempotency_key_reused"


def test_what_was_accepted_is_sent_as_it_was_although_the_template_is_archived(
    put, of, order, deliver, mailbox, address
):
    put()
    order(variables={"number": 7, "name": "<Ada>", "items": [{"title": "Tea & cake"}]})
    of("POST", "/archive")
    deliver()
    [mail] = mailbox.mails_to(address)
    raw = mailbox.raw(mail["sequence"]).decode()

    assert mail["subject"] == "Order 7"
    assert "Hello <Ada>, thank you." in raw
    assert "- Tea & cake" in raw
    assert "<p>Hello &lt;Ada&gt;</p>" in raw
    assert "List-Unsubscribe" not in raw


def test_without_html_a_mail_has_text_only(put, order, deliver, mailbox, address):
    put(html="")
    order()
    deliver()
    [mail] = mailbox.mails_to(address)

    assert "text/html" not in mailbox.raw(mail["sequence"]).decode()


def test_an_archived_template_is_sent_no_more_until_it_is_put_again(
    put, of, order, api, database, tenant
):
    put()
    archived = [of("POST", "/archive").body, of("POST", "/archive").body]
    refused = order("a")
    expiring = database["templates"].find_one({"tenant": tenant}).get("expires_at")
    listed = api("GET", "/v1/templates").body["data"]
    restored = put()
    accepted = order("b")

    assert archived[0] == archived[1]
    assert archived[0]["archived_at"]
    assert expiring
    assert "expires_at" not in database["templates"].find_one({"tenant": tenant})
    assert (refused.status, refused.body["code"]) == (422, "unknown_template")
    assert listed == []
    assert (restored.body["version"], "archived_at" in restored.body) == (2, False)
    assert accepted.status == 202


def test_a_template_is_its_tenants_only(put, api, of):
    put()

    assert of("GET", tenant="another").status == 404
    assert api("GET", "/v1/templates", tenant="another").body["data"] == []


def test_templates_are_listed_without_their_parts(put, api):
    put("first")
    put("second", critical=False)
    listed = api("GET", "/v1/templates").body["data"]

    assert {each["name"] for each in listed} == {"first", "second"}
    assert {"subject", "text", "html", "variables"}.isdisjoint(listed[0])


def test_a_preview_shows_what_would_be_sent_and_sends_nothing(put, of, messages):
    put(critical=False, text="Hi {{ name }}: {{ unsubscribe_url }}")
    shown = of("POST", "/preview", body={"variables": {"number": 7, "name": "<A>"}}).body
    built_in = of("POST", "/preview", name="welcome", body={"variables": {"name": "<A>"}}).body
    wrong = of("POST", "/preview", body={"variables": {"number": "x"}})

    assert shown["subject"] == "Order 7"
    assert shown["text"].startswith("Hi <A>: http")
    assert shown["html"] == "<p>Hello &lt;A&gt;</p>"
    assert built_in["subject"] == "Welcome, <A>"
    assert (wrong.status, wrong.body["param"]) == (422, "variables.number")
    assert of("POST", "/preview", name="none", body={}).status == 404
    assert messages() == []


def test_a_test_is_marked_for_its_recipient_and_in_lists(put, order, show, deliver, mailbox):
    put()
    number = "+491511234000"
    mail = order("mail", test=True).body["id"]
    text = order("text", test=True, channel="sms", to=number).body["id"]
    deliver()
    sequence = mailbox.mails_to(number)[-1]["sequence"]

    assert show(mail)["subject"] == "[Test] Order 7"
    assert (show(mail)["test"], show(text)["test"]) == (True, True)
    assert "test" not in show(order("real").body["id"])
    assert mailbox.raw(sequence).decode().startswith("[Test] Hello you")


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"text": "{% for x in range(1000000000) %}x{% endfor %}"}, "text"),
        ({"html": "{{ ''.__class__ }}"}, "html"),
        ({"subject": "{% include 'x' %}"}, "subject"),
        ({"subject": "a" * 501}, "subject"),
        ({"text": "a" * 20_001}, "text"),
        ({"text": ""}, "text"),
        ({"category": "No Category"}, "category"),
        ({"variables": {"first-name": {"type": "string"}}}, "variables"),
        ({"variables": {"in": {"type": "string"}}}, "variables.in"),
        ({"channels": ["email"]}, "channels"),
    ],
)
def test_a_template_that_cannot_be_sent_is_not_stored(put, of, changes, param):
    refused = put(**changes)

    assert (refused.status, refused.body["param"].split("[")[0]) == (422, param)
    assert of("GET").status == 404


@pytest.mark.parametrize("name", ["welcome", "webhook_endpoint_disabled"])
def test_a_built_in_name_is_reserved(put, name):
    assert (put(name).status, put(name).body["code"]) == (422, "reserved_name")


def test_a_name_is_short_and_plain(put):
    assert put("a" * 65).body["param"] == "name"
    assert put("Order-Placed").body["param"] == "name"


def test_a_tenant_has_a_hundred_templates_and_an_archived_one_makes_room(put, of, database, tenant):
    put()
    template = database["templates"].find_one({"tenant": tenant})
    database["templates"].insert_many(
        {**template, "_id": f"{tenant}{each}", "name": f"n{each}", "place": each}
        for each in range(1, 100)
    )
    full = put("one_more")
    of("POST", "/archive")

    assert (full.status, full.body["code"]) == (409, "too_many_templates")
    assert put("one_more").status == 200
    assert put().body["code"] == "too_many_templates"


def test_who_changed_a_template_is_in_the_audit_log(put, of, database, tenant):
    put()
    put(critical=False)
    put(critical=False)
    of("POST", "/archive")
    entries = list(database["audit_log"].find({"tenant": tenant}).sort("created_ms"))

    assert [(each["action"], each["outcome"]) for each in entries] == [
        ("template.created", "done"),
        ("template.updated", "done"),
        ("template.archived", "done"),
    ]
    assert entries[1]["after"] == {"version": 2, "critical": False}


def test_the_refusal_of_a_construct_names_its_line_and_what_the_language_has(put):
    detail = put(text="Hello\n{{ number + 1 }}").body["detail"]

    assert detail == "Line 2: Add is not part of the language; values, filters, if and for are."


def test_a_list_of_recipients_is_refused_with_a_sentence(create):
    refused = create("k", to=[f"{each}@example.com" for each in range(8_000)])
    long = create("l", to=[f"{each}@example.com" for each in range(100_000)])

    assert (refused.status, refused.body["param"]) == (422, "to")
    assert len(refused.body["detail"]) < 200
    assert (long.status, long.body["code"]) == (413, "request_too_large")
