"""The order of a story: by time, but nothing before its cause.

Each source writes by its own clock, and a worker dates what it does by when it began: a charge
would otherwise come after the payment that it made succeed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import get_args

from local.spillway.story import Moment, Source

RANKS = {source: rank for rank, source in enumerate(get_args(Source))}  # at the same time
NOTED_MS = 1.0  # a smaller difference between a moment's date and its place is not told


def in_order(moments: Iterable[Moment]) -> list[Moment]:
    """Return moments in their order, none dated before its causes.

    A moment that bears an earlier date has the time of its last cause, and says so.
    """
    every = [*dict.fromkeys(moments)]
    by_key = {each.key: each for each in reversed(every) if each.key}  # the first of a key
    places: dict[Moment, tuple[float, int]] = {}
    for each in every:
        _place(each, by_key, places)
    ordered = sorted(every, key=lambda each: (*places[each], RANKS[each.source]))
    return [_dated(each, places[each][0]) for each in ordered]


def _place(
    moment: Moment, by_key: Mapping[str, Moment], places: dict[Moment, tuple[float, int]]
) -> None:
    """Note the time of a moment and of all its causes, with how many stand in a row before it."""
    open_moments = [moment]
    while open_moments:
        current = open_moments[-1]
        causes = [by_key[key] for key in current.after if key in by_key]
        # A cause that is being placed itself would be its own effect: it counts for nothing.
        missing = [each for each in causes if each not in places and each not in open_moments]
        if missing and current not in places:
            open_moments.append(missing[0])
            continue
        open_moments.pop()
        earlier: Sequence[tuple[float, int]] = [places[each] for each in causes if each in places]
        at_ms = max([current.at_ms, *(time_ms for time_ms, _ in earlier)])
        places[current] = at_ms, max((depth + 1 for _, depth in earlier), default=0)


def _dated(moment: Moment, at_ms: float) -> Moment:
    early_ms = at_ms - moment.at_ms
    if early_ms < NOTED_MS:
        return replace(moment, at_ms=at_ms)
    return replace(moment, at_ms=at_ms, text=f"{moment.text} (dated {early_ms:.0f} ms earlier)")
