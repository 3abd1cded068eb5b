"""The search through the request log ends at its bound, and says where to go on."""

from dataclasses import dataclass
from typing import Any

import pytest

from access import requests
from access.requests import RequestQuery
from backend.errors import InvalidRequest
from backend.request_log import Logged

START_MS = 1_800_000_000_000


def logged(at_ms: int, status: int) -> Logged:
    return Logged(at_ms, "t", "c", "GET", "/v1/x", "/v1/x", status, 1, f"id-{at_ms}", "", 0)


@dataclass(frozen=True)
class Block:
    """Some thousand requests that succeeded, or one that did not."""

    number: int
    has_failed: bool = False

    @property
    def id(self) -> str:
        return "a" * 26

    @property
    def created_ms(self) -> int:
        return START_MS - self.number

    def requests(self) -> list[Logged]:
        if self.has_failed:
            return [logged(self.created_ms, 500)]
        return [logged(self.created_ms, 200)] * 2_000


class Blocks:
    """A store of blocks that never ends."""

    def __init__(self, failed: int | None = None) -> None:
        self._failed = failed
        self.read = 0

    def find(self, tenant: str, block_id: str) -> Any:
        return None

    def blocks(self, tenant: str, search: Any, *, after: Any) -> Any:
        while True:
            yield Block(self.read, self.read == self._failed)
            self.read += 1


def test_a_search_without_a_match_says_from_when_to_look_on():
    store = Blocks()
    with pytest.raises(InvalidRequest) as refusal:
        requests.newest(RequestQuery(status="5xx"), tenant="t", store=store)

    assert (refusal.value.code, refusal.value.param) == ("search_too_long", "created_lt")
    assert "created_lt=2027-01-15T07:59:59.975Z" in refusal.value.detail
    assert store.read == 26


def test_a_search_that_is_cut_short_shows_what_was_there_and_has_more():
    page = requests.newest(RequestQuery(status="5xx"), tenant="t", store=Blocks(failed=3))

    assert [each.status for each in page.data] == [500]
    assert page.has_more


def test_a_page_that_is_full_reads_no_further():
    store = Blocks()
    page = requests.newest(RequestQuery(limit=5), tenant="t", store=store)

    assert (len(page.data), page.has_more, store.read) == (5, True, 0)
