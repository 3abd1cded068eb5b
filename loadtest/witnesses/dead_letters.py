"""The dead letters of a run, told from those of others by what they mention."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from loadtest.options import LOAD_CLIENT
from loadtest.witnesses.api import Api, ApiError
from loadtest.witnesses.claims import Claims

Letters = Mapping[tuple[str, str], str]  # queue and message id -> body
_ID = re.compile(r"\b[a-z]{2,3}_\w+")


@dataclass(frozen=True, slots=True)
class Marks:
    """All that a message of this run mentions at least one of."""

    texts: tuple[str, ...]
    ids: frozenset[str]

    def are_in(self, body: str) -> bool:
        """Return whether the body mentions something of the run."""
        return any(text in body for text in self.texts) or bool(
            self.ids.intersection(_ID.findall(body))
        )


def marks_of(claims: Claims, client_id: str) -> Marks:
    """Return the marks of a run: its id, what it created, and its tenant where that is its own."""
    texts = [claims.run]
    if client_id == LOAD_CLIENT[0]:
        texts.append(f'"tenant":"{client_id}"')
    ids = frozenset((*claims.payments.values(), *claims.notifications.values()))
    return Marks(tuple(texts), ids)


def look(console: Api | None) -> Letters:
    """Return the newest dead letters; none where they cannot be looked at, as on SQS."""
    if console is None:
        return {}
    try:
        listed = console.get("/api/dead_letters")["dead_letters"]
        return {(each["queue"], each["id"]): each["body"] for each in listed}
    except (ApiError, KeyError, TypeError):
        return {}


def of_others(before: Letters, after: Letters, marks: Marks) -> Counter[str]:
    """Return how many of the new letters of each queue mention nothing of this run."""
    return Counter(
        queue
        for (queue, id_), body in after.items()
        if (queue, id_) not in before and not marks.are_in(body)
    )
