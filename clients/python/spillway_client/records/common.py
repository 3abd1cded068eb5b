"""The records that no domain has for itself: health, token, faults, deletions, test clocks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """The answer of an API that runs."""

    status: Literal["ok"] = "ok"


@dataclass(frozen=True, kw_only=True, slots=True)
class Readiness:
    """The answer of an API that says which of its dependencies answer."""

    status: Literal["ok", "unavailable"]
    dependencies: Mapping[str, Literal["ok", "unavailable"]]
    left_alone: tuple[str, ...]  # what some function asks nothing of for the moment


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """An access token, and its life in seconds."""

    access_token: str = field(repr=False)
    expires_in: int
    scope: str
    token_type: Literal["Bearer"] = "Bearer"


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One wrong field of a request."""

    param: str | None
    code: str
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Deleted:
    """The answer to a deletion."""

    id: str
    deleted: Literal[True] = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Queued:
    """The answer to what will be sent."""

    id: str
    status: Literal["queued"] = "queued"


@dataclass(frozen=True, kw_only=True, slots=True)
class TestClock:
    """A clock of the simulator's, ready once all has happened that is due by its time."""

    __test__ = False  # pytest takes the name for a test's

    id: str
    status: Literal["advancing", "ready"]
    frozen_time: datetime
    created_at: datetime
    objects: int
