"""The mailbox as people see it: the page of what came, a message as it reads, text messages."""

import json
from email.message import EmailMessage
from urllib.request import Request, urlopen

import pytest

from tests.integration.outside.processes import Mailbox, receipt


def _page(mailbox: Mailbox, path: str) -> tuple[str, str]:
    """Return a page and its content security policy."""
    with urlopen(f"http://127.0.0.1:{mailbox.http_port}{path}", timeout=10) as response:
        return response.read().decode(), response.headers["content-security-policy"]


def _text(mailbox: Mailbox, **message: str) -> tuple[int, object]:
    url = f"http://127.0.0.1:{mailbox.http_port}/sms"
    with urlopen(Request(url, json.dumps(message).encode()), timeout=10) as response:
        return response.status, json.load(response)


def test_the_page_lists_what_came_newest_first_and_escapes_it(mailbox: Mailbox) -> None:
    with mailbox.client() as client:
        for number in range(2):
            mail = receipt(number)
            mail.replace_header("Subject", f"<script>{number}</script>")
            client.send_message(mail)
    page, policy = _page(mailbox, "/")

    assert page.index("&lt;script&gt;1") < page.index("&lt;script&gt;0")
    assert ("<script" in page, "default-src 'none'" in policy) == (False, True)


def test_the_page_goes_on_where_it_ends(mailbox: Mailbox) -> None:
    with mailbox.client() as client:
        for number in range(52):
            client.sendmail("a@example.com", "b@example.com", f"Subject: mail {number}.\n\n")
    first, _ = _page(mailbox, "/")
    older, _ = _page(mailbox, "/?before=3")

    assert ("mail 51." in first, "mail 1." in first) == (True, False)
    assert 'href="/?before=3"' in first
    assert ("mail 1." in older, "mail 2." in older, "older" in older) == (True, False, False)


def test_a_mail_reads_as_text_and_as_html_that_can_do_nothing(mailbox: Mailbox) -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "a@example.com", "b@example.com", "Grüße"
    mail.set_content("Für Zoë & alle\n")
    mail.add_alternative('<p onclick="x">Für alle</p>', subtype="html")
    with mailbox.client() as client:
        client.send_message(mail)
    page, _ = _page(mailbox, "/mails/1")

    assert "<h1>Grüße</h1>" in page
    assert "<pre>Für Zoë &amp; alle\n</pre>" in page
    assert '<iframe sandbox srcdoc="&lt;p onclick=&quot;x&quot;&gt;Für alle' in page


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\xfe\r\n\r\n\x00",
        b"Content-Type: text/plain; charset=nonsense\r\n\r\nhi\r\n",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\n",
        b"To: =?utf-7?q?=2B2D0-?= <a@b\r\nFrom: @@@,;<>\r\nSubject: =?x?y?z?=\r\n\r\n",
        b"Content-Transfer-Encoding: base64\r\n\r\n%%%\r\n",
    ],
)
def test_a_mail_that_is_none_is_shown_as_far_as_it_goes(mailbox: Mailbox, raw: bytes) -> None:
    with mailbox.client() as client:
        client.sendmail("a@example.com", "b@example.com", raw)

    assert "<h1>" in _page(mailbox, "/mails/1")[0]
    assert "<h1>1 message</h1>" in _page(mailbox, "/")[0]


def test_a_text_message_is_kept_listed_and_shown(mailbox: Mailbox) -> None:
    answer = _text(mailbox, id="ntf_1", to="+4915112345678", text="Hello <b>")
    [listed] = mailbox.messages()

    assert answer == (200, {"sequence": 1})
    assert (listed["channel"], listed["to"]) == ("sms", "+4915112345678")
    assert "<pre>Hello &lt;b&gt;</pre>" in _page(mailbox, "/mails/1")[0]


@pytest.mark.parametrize("body", [b"", b"[]", b'{"id":"x","to":"y"}', b'{"id":1,"to":2,"text":3}'])
def test_what_is_no_text_message_is_refused(mailbox: Mailbox, body: bytes) -> None:
    status, problem, _ = mailbox.request("POST", "/sms", body)

    assert (status, problem["code"]) == (422, "invalid_request")
    assert mailbox.messages() == []


def test_the_last_messages_can_be_asked_for(mailbox: Mailbox) -> None:
    for number in range(5):
        _text(mailbox, id=f"ntf_{number}", to="+4915112345678", text="Hello")
    answer = mailbox.get("/messages?last=2")[1]

    assert [each["sequence"] for each in answer["messages"]] == [4, 5]
