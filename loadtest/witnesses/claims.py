"""The client's claims after a run: the keys and events that the system accepted.

An arrival whose answer never came is neither accepted nor refused; its key is sent once more, and
the answer settles it. One that was answered 5xx may have been stored or not, and both are right.
"""

import http
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from loadtest.generator.journal import OK, SKIPPED, UNSENT, Journal
from loadtest.generator.scenarios import (
    ANALYTICS,
    NOTIFICATIONS,
    PAYMENTS,
    SCENARIOS,
    Requests,
    Workload,
    event_name,
    id_in,
)
from loadtest.witnesses.api import Api, ApiError

MAX_RESENT = 2_000  # beyond it a repair would be a load of its own; the rest stays unresolved
NEVER_ARRIVED = ("ECONNREFUSED", "EADDRNOTAVAIL", "EMFILE")


@dataclass(slots=True)
class Claims:
    run: str
    payments: dict[int, str] = field(default_factory=dict)  # arrival that was first -> payment id
    notifications: dict[int, str] = field(default_factory=dict)
    others: dict[int, str] = field(default_factory=dict)  # of scenarios that have no audit
    events: Counter[str] = field(default_factory=Counter)  # by event name
    contradictions: list[str] = field(default_factory=list)  # one key, two ids
    unresolved: set[int] = field(default_factory=set)
    uncertain: dict[int, set[int]] = field(default_factory=dict)  # scenario -> answered 5xx

    def accept(self, which: int, index: int, object_id: str) -> None:
        """Note that the system accepted the arrival of this index and answered with this id."""
        self.unresolved.discard(index)
        if which == ANALYTICS:
            self.events[event_name(self.run, index)] += 1
        elif SCENARIOS[which].has_key:
            audited = {PAYMENTS: self.payments, NOTIFICATIONS: self.notifications}
            ids = audited.get(which, self.others)
            if ids.setdefault(index, object_id) != object_id:
                self.contradictions.append(f"{self.run}-{index}: {ids[index]} and {object_id}")


def claims_of(work: Workload, journal: Journal, run: str) -> Claims:
    """Return the claims that the journal alone supports."""
    claims = Claims(run)
    for index, outcome in enumerate(journal.outcome):
        which = work.scenario[index]
        if outcome == OK:
            claims.accept(which, work.origin[index], journal.ids[index] or "")
    for index in _without_an_answer(work, journal):
        claims.unresolved.add(work.origin[index])
    claims.unresolved -= claims.payments.keys()
    for which in (PAYMENTS, ANALYTICS):
        answered = {work.origin[i] for i in _answered_5xx(journal) if work.scenario[i] == which}
        claims.uncertain[which] = answered - claims.payments.keys()
    return claims


def resolve(claims: Claims, work: Workload, requests: Requests, api: Api) -> None:
    """Send every unresolved arrival once more, oldest first; what answers now is accepted."""
    api.close()  # kept since before the run, and the system may have started anew
    for index in sorted(claims.unresolved)[:MAX_RESENT]:
        which = work.scenario[index]
        try:
            status, body = api.send(requests.of(index))
        except ApiError:
            continue
        object_id = id_in(which, body) if status == SCENARIOS[which].status else None
        if object_id is not None:
            claims.accept(which, index, object_id)


def _without_an_answer(work: Workload, journal: Journal) -> Iterator[int]:
    for index, outcome in enumerate(journal.outcome):
        if outcome in (UNSENT, OK, SKIPPED) or not SCENARIOS[work.scenario[index]].body:
            continue
        answered = journal.status[index] >= http.HTTPStatus.MULTIPLE_CHOICES
        if not answered and journal.outcome_of(index) not in NEVER_ARRIVED:
            yield index


def _answered_5xx(journal: Journal) -> Iterator[int]:
    for index, status in enumerate(journal.status):
        if status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
            yield index
