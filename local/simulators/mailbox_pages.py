"""The mailbox as pages for people: what was sent, newest first, and one message as it reads."""

import html
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from local.daemon.wording import counted
from local.simulators.messages import Summary
from local.simulators.reading import ReadableMail

HEADERS = {
    "content-type": "text/html; charset=utf-8",
    # A mail's HTML is a stranger's: nothing in it may run, load or post.
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'",
}
STYLE = """
body{font:1rem/1.5 system-ui;max-width:70rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3rem .8rem .3rem 0;
border-bottom:1px solid #8884;vertical-align:top}pre{white-space:pre-wrap}
iframe{width:100%;height:24rem;border:1px solid #8884}@media(prefers-color-scheme:dark){
body{background:#161616;color:#ddd}a{color:#8bf}iframe{background:#fff}}
"""


def inbox(messages: Sequence[Summary], *, total: int) -> bytes:
    """Return the page of these messages, newest first."""
    rows = "".join(
        f'<tr><td><a href="/mails/{each.sequence}">{each.sequence}</a></td>'
        f"<td>{_time(each.received_ms)}</td><td>{each.channel}</td>"
        f"<td>{html.escape(each.to)}</td><td>{html.escape(each.subject)}</td></tr>"
        for each in messages
    )
    older = messages[-1].sequence - 1 if messages else 0
    more = f'<p><a href="/?before={older + 1}">older</a></p>' if older > 0 else ""
    head = "<tr><th>No.</th><th>received (UTC)</th><th>channel</th><th>to</th><th>subject</th></tr>"
    return _page(counted(total, "message"), f"<table>{head}{rows}</table>{more}")


def mail(message: Summary, readable: ReadableMail) -> bytes:
    """Return the page of one mail."""
    parts = [f"<table>{_rows(readable.headers)}</table>", _text(readable.text)]
    if readable.html:
        source = html.escape(readable.html)
        parts.append(f'<h2>HTML</h2><iframe sandbox srcdoc="{source}"></iframe>')
    return _page(message.subject or "(no subject)", "".join(parts))


def text_message(message: Summary, text: str) -> bytes:
    """Return the page of one text message."""
    return _page(f"Text message to {message.to}", _text(text))


def _text(text: str) -> str:
    return f"<pre>{html.escape(text)}</pre>"


def _rows(headers: Iterable[tuple[str, str]]) -> str:
    return "".join(
        f"<tr><th>{name}</th><td>{html.escape(value)}</td></tr>" for name, value in headers
    )


def _page(title: str, content: str) -> bytes:
    shown = html.escape(title)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{shown}</title>'
        f'<style>{STYLE}</style><p><a href="/">Mailbox</a></p><h1>{shown}</h1>{content}</html>\n'
    ).encode("utf-8", "replace")


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
