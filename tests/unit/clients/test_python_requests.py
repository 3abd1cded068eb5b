"""Requests of the Python client: pages, paths, queries, and what is refused unsent."""

from datetime import UTC, datetime
from typing import Any

import pytest

from spillway_client import Client, Conflict, NotFound
from tests.unit.clients.scripted_api import Answer, ScriptedApi
from tests.unit.clients.scripted_client import HEALTH, TestClock, client_of, notify, problem

REPORT: dict[str, Any] = {
    **dict.fromkeys(("id", "type", "format", "status"), "x"),
    **dict.fromkeys(("period_start", "period_end"), "2026-09-21T14:13:20Z"),
    **dict.fromkeys(("created_at", "finished_at", "expires_at"), "2026-09-21T14:13:20Z"),
    **{"rows": 2, "bytes": 6, "parts": 2, "totals": [], "url": "/u", "failure": None},
}


def test_a_list_gets_page_after_page_as_it_is_used():
    def page(*names: str, more: bool) -> Answer:
        return Answer(body={"data": [{"name": each} for each in names], "has_more": more})

    pages = [page("a", "b", more=True), page("c", more=False)]
    with ScriptedApi(pages) as api, client_of(api, TestClock()) as client:
        names = client.list_names()
        assert api.requests == []
        assert next(names).name == "a"
        assert len(api.requests) == 1
        assert [each.name for each in names] == ["b", "c"]

    assert api.requests[0].path == "/v1/analytics/names?limit=100"
    assert api.requests[1].path == "/v1/analytics/names?limit=100&starting_after=b"


def test_what_comes_before_an_object_is_yielded_from_that_on_page_after_page():
    def page(*ids: str, more: bool) -> Answer:
        body = {"type": "t", "timestamp": "2026-09-21T14:13:20Z", "sequence": 1, "data": {}}
        return Answer(body={"data": [{"id": each, **body} for each in ids], "has_more": more})

    pages = [page("d", "c", more=True), page("b", "a", more=False)]
    with ScriptedApi(pages) as api, client_of(api, TestClock()) as client:
        events = client.list_events(ending_before="e", type="payment.*")
        assert [each.id for each in events] == ["c", "d", "a", "b"]

    assert [each.path.partition("?")[2] for each in api.requests] == [
        "limit=100&ending_before=e&type=payment.%2A",
        "limit=100&ending_before=d&type=payment.%2A",
    ]


def test_a_list_ends_at_a_page_without_items():
    empty = Answer(body={"data": [], "has_more": True})
    with ScriptedApi([empty]) as api, client_of(api, TestClock()) as client:
        assert list(client.list_names()) == []


def test_what_cannot_be_meant_is_refused_before_it_is_sent():
    with ScriptedApi() as api, client_of(api, TestClock()) as client:
        for wrong in ("", ".", ".."):
            with pytest.raises(ValueError, match="no id"):
                client.get_payment(wrong)
        for key in ("", "a b", "a\r\nX: y", "é", "k" * 256):
            with pytest.raises(ValueError, match="idempotency key"):
                notify(client, key)
        with pytest.raises(ValueError, match="no time zone"):
            next(client.list_payments(created_gte=datetime(2026, 1, 1)))

    assert api.requests == []


@pytest.mark.parametrize(
    "base_url", ["", "localhost:5002", "ftp://host", "https://", "http://a?b=c"]
)
def test_a_base_url_that_is_none_is_named(base_url: str):
    with pytest.raises(ValueError, match="base_url is not an address"):
        Client(base_url, "demo", "secret")


def test_an_id_stays_in_its_place_of_the_path():
    refusal = problem(404, "not_found", retryable=False)
    with (
        ScriptedApi([refusal]) as api,
        client_of(api, TestClock()) as client,
        pytest.raises(NotFound),
    ):
        client.get_payment("a/../b?c=d#e")

    assert api.requests[0].path == "/v1/payments/a%2F..%2Fb%3Fc%3Dd%23e"


def test_a_stage_stands_before_each_path():
    with ScriptedApi([HEALTH]) as api, Client(f"{api.url}/Prod/", "demo", "secret") as client:
        client.get_health()

    assert api.requests[0].path == "/Prod/health"


def test_times_are_sent_in_utc():
    nothing = Answer(body={"data": [], "has_more": False})
    with ScriptedApi([nothing]) as api, client_of(api, TestClock()) as client:
        assert list(client.list_payments(created_gte=datetime(2026, 1, 1, tzinfo=UTC))) == []

    assert "created_gte=2026-01-01T00%3A00%3A00Z" in api.requests[0].path


def test_a_report_that_is_not_built_raises_instead_of_yielding_nothing():
    answers = [Answer(body={**REPORT, "parts": 0}), problem(409, "invalid_state")]
    with (
        ScriptedApi(answers) as api,
        client_of(api, TestClock()) as client,
        pytest.raises(Conflict),
    ):
        list(client.download_report("rep_1"))


def test_a_report_s_content_comes_part_by_part_or_from_where_it_is_without_the_token():
    in_parts = [Answer(body=REPORT), Answer(body=b"a,\n"), Answer(body=b"b\n")]
    with ScriptedApi([Answer(body=b"x" * 3_000_000)]) as bucket:
        link = Answer(302, headers={"Location": f"{bucket.url}/file?signed"})
        elsewhere = [Answer(body={**REPORT, "parts": 1}), link]
        with ScriptedApi([*in_parts, *elsewhere]) as api, client_of(api, TestClock()) as client:
            assert b"".join(client.download_report("rep_1")) == b"a,\nb\n"
            assert [len(x) for x in client.download_report("rep_1")] == [2**20, 2**20, 902_848]

    assert [each.path for each in api.requests[1:3]] == [
        "/v1/reports/rep_1/content?part=1",
        "/v1/reports/rep_1/content?part=2",
    ]
    assert (bucket.requests[0].path, "authorization" in bucket.requests[0].headers) == (
        "/file?signed",
        False,
    )
