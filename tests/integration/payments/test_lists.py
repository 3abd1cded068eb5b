"""Lists of payments: each once while others are made, by status and time, and nobody else's."""

from datetime import UTC, datetime

import pytest

from backend.clock import rfc3339
from backend.store import SEARCHED_MAX
from tests.integration.payments.conftest import SCOPES, VISA


@pytest.fixture
def make(ask):
    """Make payments, one after the other; returns their ids."""
    numbers = iter(range(1000))

    def some(count, **changes):
        answers = [ask("POST", key=str(next(numbers)), body=VISA | changes) for _ in range(count)]
        return [each.body["id"] for each in answers]

    return some


@pytest.fixture
def listed(api, tenant):
    def get(**query):
        return api.request("GET", "/v1/payments", query=query, tenant=tenant, scope=SCOPES)

    return get


def _ids(page):
    return [each["id"] for each in page.body["data"]]


def _walk(listed, between=lambda: None, **query):
    """Return all pages from the newest on; `between` happens after each."""
    ids: list[str] = []
    after: dict[str, str] = {}
    while True:
        page = listed(limit="3", **after, **query)
        ids += _ids(page)
        if not page.body["has_more"]:
            return ids
        after = {"starting_after": ids[-1]}
        between()


def test_payments_that_are_made_meanwhile_neither_hide_nor_repeat_any(make, listed):
    made = make(10)

    ids = _walk(listed, between=lambda: make(2))

    assert ids == made[::-1]


def test_payments_of_the_same_moment_are_each_listed_once(make, listed, database):
    made = make(10)
    database["payments"].update_many({"_id": {"$in": made[2:9]}}, {"$set": {"created_ms": 1000}})

    ids = _walk(listed)

    assert ids == [made[9], *made[1::-1], *sorted(made[2:9], reverse=True)]


def test_pages_of_a_filter_hold_what_it_asks_for_and_all_of_it(make, listed, database):
    made = make(12)
    for status, ids in (("failed", made[::3]), ("succeeded", made[1::3])):
        database["payments"].update_many({"_id": {"$in": ids}}, {"$set": {"status": status}})

    assert _walk(listed, status="failed") == made[::-1][2::3]
    assert _walk(listed, status="processing") == made[::-1][::3]


def test_a_time_begins_with_its_first_moment_and_ends_before_its_last(make, listed, database):
    made = make(6)
    for number, payment_id in enumerate(made):
        at_ms = {"created_ms": 1_000_000 + number}
        database["payments"].update_one({"_id": payment_id}, {"$set": at_ms})

    def at(number):
        moment = datetime.fromtimestamp((1_000_000 + number) / 1000, UTC)
        return moment.isoformat(timespec="milliseconds")

    assert _walk(listed, created_gte=at(1), created_lt=at(5)) == made[4:0:-1]
    assert _walk(listed, created_gte=at(5)) == made[5:]
    assert _walk(listed, created_lt=at(0)) == []


def test_the_page_before_a_payment_is_the_next_newer_one_still_newest_first(make, listed):
    ids = make(7)[::-1]

    middle = listed(limit="2", ending_before=ids[4])
    newest = listed(limit="3", ending_before=ids[2])
    nothing = listed(ending_before=ids[0])

    assert (_ids(middle), middle.body["has_more"]) == (ids[2:4], True)
    assert (_ids(newest), newest.body["has_more"]) == (ids[:2], False)
    assert (_ids(nothing), nothing.body["has_more"]) == ([], False)
    assert _ids(listed(limit="2", starting_after=_ids(middle)[-1])) == ids[4:6]


def test_payments_of_the_same_moment_have_a_page_before_them(make, listed, database):
    made = make(5)
    database["payments"].update_many({"_id": {"$in": made}}, {"$set": {"created_ms": 1000}})
    ids = sorted(made, reverse=True)

    assert _ids(listed(limit="2", ending_before=ids[3])) == ids[1:3]


def test_pages_of_a_filter_go_both_ways(make, listed):
    made = [make(1, amount=amount)[0] for amount in (5, 50, 7, 70, 9, 90)]
    small = made[::-1][1::2]

    assert _walk(listed, amount_lte="9") == small
    assert _ids(listed(limit="1", amount_lte="9", ending_before=small[2])) == [small[1]]
    assert _ids(listed(amount_gte="7", amount_lte="50")) == [made[4], made[2], made[1]]


def test_metadata_currency_and_amount_choose_together(make, listed):
    seven = {"order": "7", "shop": "a b&c"}
    (wanted,) = make(1, metadata=seven)
    make(1, metadata={"order": "7"})
    make(1, metadata=seven, currency="USD")
    make(1, metadata={**seven, "order": "8"})
    query = {"metadata[order]": "7", "metadata[shop]": "a b&c", "currency": "EUR"}

    assert _ids(listed(**query)) == [wanted]
    assert _ids(listed(**query, amount_gte="1000")) == [wanted]
    assert _ids(listed(**query, amount_gte="1001")) == []


def test_a_page_that_takes_too_many_payments_to_find_is_refused_or_waits_for_its_turn(
    make, listed, database, tenant
):
    (payment_id,) = make(1, metadata={"order": "7"})
    payment = database["payments"].find_one({"_id": payment_id})
    later_ms = payment["created_ms"] + 1
    others = [
        {"_id": f"{tenant}{n}", "tenant": tenant, "created_ms": later_ms}
        for n in range(SEARCHED_MAX)
    ]
    database["payments"].insert_many(others, ordered=False)
    query = {"metadata[order]": "7"}

    refused = listed(**query)
    throttled = next(each for _ in range(20) if (each := listed(**query)).status == 429)
    within = listed(**query, created_lt=rfc3339(later_ms))
    database["payments"].delete_many({"_id": {"$in": [each["_id"] for each in others]}})

    assert (refused.status, refused.body["code"]) == (422, "list_too_long")
    assert (throttled.body["code"], throttled.headers["retry-after"]) == ("throttled", "1")
    assert _ids(within) == [payment_id]


def test_a_cursor_of_another_tenant_is_as_unknown_as_one_of_nobody(api, make, tenant):
    (payment_id,) = make(1)

    def page(tenant, cursor):
        return api.request(
            "GET",
            "/v1/payments",
            query={"starting_after": cursor},
            tenant=tenant,
            scope=SCOPES,
        )

    foreign, unknown = page("stranger", payment_id), page(tenant, "pay_nobody")

    assert [each.status for each in (foreign, unknown)] == [422, 422]
    assert {foreign.body["param"], unknown.body["param"]} == {"starting_after"}
    assert foreign.body["detail"] == unknown.body["detail"]


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"limit": "ten"}, "limit"),
        ({"status": "paid"}, "status"),
        ({"created_gte": "yesterday"}, "created_gte"),
        ({"created_lt": "2026-01-31"}, "created_lt"),
        ({"amount": "1"}, "amount"),
        ({"amount_gte": "0"}, "amount_gte"),
        ({"currency": "euro"}, "currency"),
        ({"starting_after": "pay_1", "ending_before": "pay_2"}, "ending_before"),
        ({"ending_before": "pay_nobody"}, "ending_before"),
        ({"metadata": "order"}, "metadata"),
        ({"metadata[a.b]": "7"}, "metadata"),
        ({"metadata[$where]": "7"}, "metadata"),
        ({"metadata[a][b]": "7"}, "metadata[a][b]"),
        ({"expand": "card"}, "expand"),
        ({"limit[a]": "1"}, "limit"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused(listed, query, param):
    answer = listed(**query)

    assert (answer.status, answer.body["param"]) == (422, param)


@pytest.mark.parametrize(
    "metadata",
    [
        {str(number): "x" for number in range(51)},
        {"": "x"},
        {"k" * 41: "x"},
        {"$where": "x"},
        {"a.b": "x"},
        {"a\x00b": "x"},
        {"k": "v" * 501},
        {"k": "a\x00b"},
        {"k": 1},
        {"k": None},
        {"k": {"$gt": ""}},
        ["k"],
    ],
)
def test_metadata_that_a_store_could_misread_is_refused_and_nothing_is_stored(
    ask, listed, metadata
):
    answer = ask("POST", key="k", body=VISA | {"metadata": metadata})

    assert answer.status in {400, 422}
    assert answer.body["code"] in {"invalid_request", "malformed_json"}
    assert _ids(listed()) == []


def test_metadata_is_kept_up_to_its_limits(ask):
    metadata = {f"{number:040}": "ü" * 500 for number in range(49)} | {"a$b-c d": ""}

    payment_id = ask("POST", key="k", body=VISA | {"metadata": metadata}).body["id"]

    assert (
        ask("GET", "/v1/payments/{payment_id}", payment_id=payment_id).body["metadata"] == metadata
    )
