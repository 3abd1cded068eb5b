"""The gathering of a story from all sources, each read as it is now."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from local.spillway.keys import demo_clients
from local.spillway.story import Moment, Part, Story, documents, lines, queues
from local.spillway.story.causes import in_order
from local.spillway.story.documents import key_of_effect, key_of_mail
from local.template import Template
from redis_sqs import QueueUnavailable

DATABASE = "spillway"  # the backend's default


def gather(object_id: str, state: Path, template: Template, variables: Mapping[str, str]) -> Story:
    """Return what every source knows of an object, and which source does not answer."""
    troubles: list[str] = []
    document = _part_of(lambda: _documents(object_id, variables), troubles)
    ids = {object_id, *document.ids}
    messages = _part_of(lambda: queues.read(template, variables, ids), troubles)
    logs = lines.of_logs(state / "logs", ids | messages.ids)
    if logs.ids > ids | messages.ids and not troubles:  # messages that only the logs named
        messages = _part_of(lambda: queues.read(template, variables, logs.ids), troubles)
    journals = _journals(state / "data", ids, troubles)
    every = (*document.moments, *messages.moments, *journals, *logs.moments)
    return Story(object_id, tuple(in_order(every)), logs.trace, tuple(troubles))


def _part_of(read: Callable[[], Part], troubles: list[str]) -> Part:
    try:
        return read()
    except (documents.DocumentsUnreadable, QueueUnavailable) as error:
        troubles.append(str(error))
        return Part()


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


def _journals(data: Path, ids: set[str], troubles: list[str]) -> Iterator[Moment]:
    for path, describe in ((data / "provider.jsonl", _effect), (data / "mailbox.jsonl", _mail)):
        if not path.exists():
            troubles.append(f"there is no journal of the {path.stem} here")
        yield from lines.of_journal(path, ids, describe)


def _effect(entry: Mapping[str, Any]) -> Moment:
    status = entry.get("status", "done")
    declined = f" ({entry['decline_code']})" if entry.get("decline_code") else ""
    amount = f"{entry['amount']} {entry['currency']}"
    text = f"{entry['kind']} {entry['id']} {status}{declined}: {amount}"
    key = key_of_effect(entry["idempotency_key"], status)
    return Moment(entry["created_ms"], "provider", text, "provider", key=key)


def _mail(entry: Mapping[str, Any]) -> Moment:
    text = f"{entry['channel']} no. {entry['sequence']} to {entry['to']}: {entry['subject']}"
    notification_id, _, _ = entry["message_id"].strip("<>").partition("@")
    key = key_of_mail(notification_id)
    return Moment(entry["received_ms"], "mailbox", text, "mail", key=key)
