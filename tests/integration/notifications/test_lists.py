"""Lists of notifications: by status, channel, template, category, recipient and time."""

import pytest


@pytest.fixture
def listed(api):
    """List by filters and return the recipients."""

    def get(**query):
        return [each["to"] for each in api("GET", query=query).body["data"]]

    return get


@pytest.fixture
def three(create, database, tenant, address):
    """Ask for three notifications, a minute between each; return their recipients."""
    news = {"template": "newsletter", "variables": {"headline": "h", "text": "t"}}
    ids = [
        create("a", to=address).body["id"],
        create("b", to=f"b.{address}", **news).body["id"],
        create("c", channel="sms", to="+4915112345678").body["id"],
    ]
    for number, each in enumerate(ids):
        at_ms = 1_790_000_000_000 + number * 60_000
        database["notifications"].update_one({"_id": each}, {"$set": {"created_ms": at_ms}})
    database["notifications"].update_one({"_id": ids[0]}, {"$set": {"status": "delivered"}})
    return [address, f"b.{address}", "+4915112345678"]


def test_notifications_are_listed_by_each_filter(three, listed):
    first, second, third = three

    assert listed() == [third, second, first]
    assert listed(status="delivered") == [first]
    assert listed(channel="sms") == [third]
    assert listed(template="newsletter") == [second]
    assert listed(to=third) == [third]
    assert listed(category="offers") == []
    assert listed(channel="email", template="welcome", status="queued") == []
    assert listed(created_gte="2026-09-21T14:14:20Z", created_lt="2026-09-21T14:15:20Z") == [second]
    assert listed(created_lt="2026-09-21T14:15:20Z", channel="email", limit="1") == [second]


def test_a_filtered_list_goes_on_from_page_to_page(three, api):
    newest = api("GET", query={"channel": "email", "limit": "1"}).body
    older = api("GET", query={"channel": "email", "starting_after": newest["data"][0]["id"]}).body

    assert (newest["has_more"], older["has_more"]) == (True, False)
    assert [each["to"] for each in older["data"]] == three[:1]


@pytest.mark.parametrize("name", ["status", "channel", "created_gte", "color"])
def test_a_filter_that_there_is_not_is_refused(api, name):
    refused = api("GET", query={name: "x"})

    assert (refused.status, refused.body["param"]) == (422, name)
