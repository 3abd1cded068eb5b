"""The operations of disputes, and of the test clocks that make their days pass."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from spillway_client.calls import Calls, members_of, path_of
from spillway_client.operations.fields import new_key
from spillway_client.records import (
    Deleted,
    Dispute,
    TestClock,
)

DISPUTE = "/v1/disputes/{dispute_id}"
CLOCKS, CLOCK = "/v1/test-clocks", "/v1/test-clocks/{clock_id}"


class DisputeOperations:
    """The operations of disputes, and of the test clocks that make their days pass."""

    _calls: Calls

    def list_disputes(
        self,
        *,
        starting_after: str | None = None,
        status: str | None = None,
        payment_id: str | None = None,
    ) -> Iterator[Dispute]:
        """Yield disputes, newest first."""
        return self._calls.pages(
            Dispute,
            "/v1/disputes",
            starting_after=starting_after,
            status=status,
            payment_id=payment_id,
        )

    def get_dispute(self, dispute_id: str) -> Dispute:
        """Return a dispute."""
        return self._calls.get(Dispute, path_of(DISPUTE, dispute_id=dispute_id))

    def submit_evidence(
        self, dispute_id: str, evidence: Mapping[str, str], *, idempotency_key: str | None = None
    ) -> Dispute:
        """Answer a dispute, once: texts by the names that the API has for them."""
        path = path_of(DISPUTE, dispute_id=dispute_id)
        body = {"evidence": evidence}
        return self._calls.send(Dispute, "POST", path, body, key=new_key(idempotency_key))

    def close_dispute(self, dispute_id: str, *, idempotency_key: str | None = None) -> Dispute:
        """Accept a dispute: it is lost."""
        path = path_of(DISPUTE + "/close", dispute_id=dispute_id)
        return self._calls.send(Dispute, "POST", path, key=new_key(idempotency_key))

    def create_test_clock(self, frozen_time: datetime) -> TestClock:
        """Make a clock that stands at a time, for payments and notifications of the simulator."""
        body = {"frozen_time": frozen_time}
        return self._calls.send(TestClock, "POST", CLOCKS, body, repeatable=False)

    def list_test_clocks(self) -> list[TestClock]:
        """Return all test clocks, newest first."""
        return members_of(TestClock, self._calls.get(dict, CLOCKS))

    def get_test_clock(self, clock_id: str) -> TestClock:
        """Return a test clock."""
        return self._calls.get(TestClock, path_of(CLOCK, clock_id=clock_id))

    def advance_test_clock(self, clock_id: str, frozen_time: datetime) -> TestClock:
        """Move a clock on, by 60 days at most; it is `advancing` until all has happened."""
        path = path_of(CLOCK + "/advance", clock_id=clock_id)
        return self._calls.send(TestClock, "POST", path, {"frozen_time": frozen_time})

    def delete_test_clock(self, clock_id: str) -> Deleted:
        """Delete a clock; what is tied to it stays as it is."""
        return self._calls.send(Deleted, "DELETE", path_of(CLOCK, clock_id=clock_id))
