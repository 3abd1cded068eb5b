"""The command `story`: what became of one payment, notification, event, request or message."""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.daemon.logs import printable
from local.machine.plan import BadInput
from local.machine.running import running
from local.spillway.keys import demo_clients
from local.spillway.story import Moment, Part, documents, lines, queues
from local.template import Template
from redis_sqs import QueueUnavailable

DATABASE = "spillway"  # the backend's default
ID_CHARACTERS = (8, 200)  # fewer would be in every line
GAP_MS = 1_000  # a longer pause is shown as one
ROW = "{time:<14}{gap:>10}  {place:<24} {text}"


def add(parser: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    parser.add_argument(
        "id", help="of a payment (pay_...), notification (ntf_...), event, request or message"
    )


def run(options: argparse.Namespace) -> int:
    """Print all that is known of an object, in the order of time; 1 where nothing is known."""
    shortest, longest = ID_CHARACTERS
    if not shortest <= len(options.id) <= longest:
        raise BadInput(f"{options.id!r} is no id: one has {shortest} to {longest} characters")
    last, template = running(options.state)
    variables = {**os.environ, **last.variables}
    moments, troubles = _gathered(options.id, options.state, template, variables)
    for trouble in troubles:
        sys.stderr.write(f"a part is missing: {trouble}\n")
    if not moments:
        sys.stderr.write(
            f"nothing is known of {options.id}: no document, message, journal or log names it\n"
        )
        return 1
    sys.stdout.writelines(f"{line}\n" for line in _rows(sorted(moments, key=_when)))
    return 0


def _gathered(
    object_id: str, state: Path, template: Template, variables: Mapping[str, str]
) -> tuple[list[Moment], list[str]]:
    """Return what every source knows of an object, and which source does not answer."""
    moments: list[Moment] = []
    troubles: list[str] = []
    ids = {object_id}
    try:
        part = _documents(object_id, variables)
        moments += part.moments
        ids |= part.ids
    except documents.DocumentsUnreadable as error:
        troubles.append(str(error))
    try:
        moments += queues.read(template, variables, ids)
    except QueueUnavailable as error:
        troubles.append(str(error))
    moments += _journals(state / "data", ids)
    moments += lines.of_logs(state / "logs", ids)
    return moments, troubles


def _documents(object_id: str, variables: Mapping[str, str]) -> Part:
    """Return what the store holds; other templates than this backend's may have none."""
    if "MONGO_URL" not in variables:
        return Part()
    clients = json.loads(variables.get("OAUTH_CLIENTS") or demo_clients())
    return documents.read(
        variables["MONGO_URL"],
        variables.get("MONGO_DATABASE", DATABASE),
        object_id,
        tenants={client["tenant"] for client in clients},
    )


def _journals(data: Path, ids: set[str]) -> Iterator[Moment]:
    yield from lines.of_journal(data / "provider.jsonl", ids, "provider", _effect)
    yield from lines.of_journal(data / "mailbox.jsonl", ids, "mailbox", _mail)


def _effect(entry: Mapping[str, Any]) -> str:
    declined = f" ({entry['decline_code']})" if entry.get("decline_code") else ""
    amount = f"{entry['amount']} {entry['currency']}"
    return f"{entry['kind']} {entry['id']} {entry.get('status', 'done')}{declined}: {amount}"


def _mail(entry: Mapping[str, Any]) -> str:
    return f"{entry['channel']} no. {entry['sequence']} to {entry['to']}: {entry['subject']}"


def _when(moment: Moment) -> float:
    return moment.at_ms


def _rows(moments: list[Moment]) -> Iterator[str]:
    """Yield a line a moment; the first and the first of each day have the date before them."""
    day, before_ms = "", moments[0].at_ms
    for moment in moments:
        at = datetime.fromtimestamp(moment.at_ms / 1000, UTC)
        if f"{at:%Y-%m-%d}" != day:
            day = f"{at:%Y-%m-%d}"
            yield f"{day} (UTC)"
        passed_ms = moment.at_ms - before_ms
        gap = f"+{passed_ms / 1000:,.1f} s" if passed_ms >= GAP_MS else f"+{passed_ms:.0f} ms"
        before_ms = moment.at_ms
        yield ROW.format(
            time=f"{at:%H:%M:%S}.{at.microsecond // 1000:03}",
            gap=gap if passed_ms else "",
            place=moment.place,
            text=printable(moment.text),
        )
