"""Lists of payments: each once while others are made, by status and time, and nobody else's."""

from datetime import UTC, datetime

import pytest

from tests.integration.payments.conftest import SCOPES, VISA


@pytest.fixture(scope="module")
def api(started):
    return started("app")


@pytest.fixture
def make(api, asking, valkey):
    """Make payments, one after the other; returns their ids."""
    numbers = iter(range(1000))

    def some(count, **changes):
        ask = asking(api)
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
    api, asking, listed, metadata
):
    answer = asking(api)("POST", key="k", body=VISA | {"metadata": metadata})

    assert answer.status in {400, 422}
    assert answer.body["code"] in {"invalid_request", "malformed_json"}
    assert _ids(listed()) == []


def test_metadata_is_kept_up_to_its_limits(api, asking, valkey):
    ask = asking(api)
    metadata = {f"{number:040}": "ü" * 500 for number in range(49)} | {"a$b-c d": ""}

    payment_id = ask("POST", key="k", body=VISA | {"metadata": metadata}).body["id"]

    assert (
        ask("GET", "/v1/payments/{payment_id}", payment_id=payment_id).body["metadata"] == metadata
    )
