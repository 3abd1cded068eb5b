"""The last hour of the whole machine as JSON, and the marks that others put into it."""

from typing import Any

from local.console.answers import Page, Refused, as_json
from local.console.history import MARK_MAX_CHARS, History
from local.console.pages import Console, Parameters


def add(console: Console, history: History) -> None:
    """Serve the history, and take marks: what begins now, such as a load run or a fault."""

    async def view(parameters: Parameters) -> Page:
        try:
            since_s = float(parameters.get("since", "0"))
        except ValueError:
            raise Refused(400, "since must be a number of seconds since 1970") from None
        return as_json(history.since(since_s))

    async def mark(parameters: Parameters, body: Any) -> Page:
        text = body.get("text") if isinstance(body, dict) else None
        if not isinstance(text, str) or not text.strip() or len(text) > MARK_MAX_CHARS:
            raise Refused(400, f"a mark is {{'text': ...}} of 1 to {MARK_MAX_CHARS} characters")
        history.mark(text.strip())
        return as_json({"marked": text.strip()}, 201)

    console.add_view("/api/history", view)
    console.add_action("/api/marks", mark)
