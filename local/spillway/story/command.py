"""The command `story`: what became of one payment, notification, event, request or message."""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.daemon import arguments
from local.daemon.arguments import PROGRAM
from local.daemon.logs import printable
from local.machine.plan import BadInput
from local.machine.running import running
from local.spillway.story import Moment, Story
from local.spillway.story.gathering import gather
from local.template import Template, load

ID_CHARACTERS = (8, 200)  # fewer would be in every line
GAP_MS = 1_000  # a longer pause is shown as one
ROW = "{time:<14}{gap:>10}  {place:<24} {text}"


def add(parser: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    parser.add_argument(
        "id", help="of a payment (pay_...), notification (ntf_...), event, request or message"
    )
    parser.add_argument("--json", action="store_true", help="for programs, as the console reads it")


def run(options: argparse.Namespace) -> int:
    """Print all that is known of an object, in the order of time; 1 where nothing is known."""
    shortest, longest = ID_CHARACTERS
    if not shortest <= len(options.id) <= longest:
        raise BadInput(f"{options.id!r} is no id: one has {shortest} to {longest} characters")
    template, variables = _system(options.state)
    story = gather(options.id, options.state, template, variables)
    for trouble in story.troubles:
        sys.stderr.write(f"a part is missing: {trouble}\n")
    if not story.moments:
        sys.stderr.write(
            f"nothing is known of {options.id}: no document, message, journal or log names it\n"
        )
        return 1
    if options.json:
        sys.stdout.write(f"{json.dumps(_members(story))}\n")
        return 0
    sys.stdout.writelines(f"{line}\n" for line in _rows(story.moments))
    if story.trace:
        sys.stdout.write(f"trace {story.trace}: `{PROGRAM} trace {story.trace}`\n")
    return 0


def _system(state: Path) -> tuple[Template, Mapping[str, str]]:
    """Return the template and the variables of the system whose state is here.

    In a container nothing supervises it: its own variables name the stores. Raises BadInput.
    """
    try:
        last, template = running(state)
    except BadInput:
        if "MONGO_URL" not in os.environ:
            raise
        return load(arguments.default_template()), os.environ
    return template, {**os.environ, **last.variables}


def _members(story: Story) -> dict[str, Any]:
    return {
        "id": story.object_id,
        "lines": [
            {
                "at": _at(moment).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "source": moment.source,
                "place": moment.place,
                "text": moment.text,
                "gap_ms": round(gap_ms, 1),
            }
            for moment, gap_ms in zip(story.moments, _gaps_ms(story.moments), strict=True)
        ],
        "trace": story.trace,
        "missing": list(story.troubles),
    }


def _gaps_ms(moments: Sequence[Moment]) -> Iterator[float]:
    """Yield the time that passed between each moment and the one before it."""
    before_ms = moments[0].at_ms
    for moment in moments:
        yield moment.at_ms - before_ms
        before_ms = moment.at_ms


def _rows(moments: Sequence[Moment]) -> Iterator[str]:
    """Yield a line a moment; the first and the first of each day have the date before them."""
    day = ""
    for moment, gap_ms in zip(moments, _gaps_ms(moments), strict=True):
        at = _at(moment)
        if f"{at:%Y-%m-%d}" != day:
            day = f"{at:%Y-%m-%d}"
            yield f"{day} (UTC)"
        gap = f"+{gap_ms / 1000:,.1f} s" if gap_ms >= GAP_MS else f"+{gap_ms:.0f} ms"
        yield ROW.format(
            time=f"{at:%H:%M:%S}.{at.microsecond // 1000:03}",
            gap=gap if gap_ms else "",
            place=moment.place,
            text=printable(moment.text),
        )


def _at(moment: Moment) -> datetime:
    return datetime.fromtimestamp(moment.at_ms / 1000, UTC)
