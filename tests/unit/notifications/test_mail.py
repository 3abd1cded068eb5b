"""Mails as bytes, read back by the standard library."""

import email
import email.policy

import pytest

from notifications.channels import mail
from notifications.rendered import Rendered
from notifications.schema import Notification

FROM = "Spillway <no-reply@spillway.example>"


def _notification(*, subject="Hello", text="One.\n"):
    rendered = Rendered(template="t", version=1, subject=subject, text=text, html="")
    return Notification(
        id="ntf_a",
        tenant="t",
        fingerprint="f",
        created_ms=0,
        channel="email",
        to="ada@example.com",
        rendered=rendered,
    )


@pytest.mark.parametrize("text", ["a" * 998, "a" * 999, "Zoë\nb", "--=_ntf_a\nb", "a\rb"])
def test_a_text_arrives_as_it_is_and_no_line_is_too_long_or_ends_alone(text):
    raw = mail.encode(_notification(text=text), mail_from=FROM)
    plain = email.message_from_bytes(raw, policy=email.policy.default).get_body(("plain",))

    assert plain is not None
    assert plain.get_content().rstrip("\n").replace("\r\n", "\n") == text
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert b"\r" not in raw.replace(b"\r\n", b"")


def test_a_subject_beyond_ascii_or_a_line_is_read_as_it_was_written():
    subject = "Zoë " * 100
    raw = mail.encode(_notification(subject=subject.strip()), mail_from=FROM)

    read = email.message_from_bytes(raw, policy=email.policy.default)
    assert read["Subject"] == subject.strip()
    assert read["To"] == "ada@example.com"


@pytest.mark.parametrize(
    "subject", ["=?utf-8?q?=0d=0aBcc:_b@example.com?=", "a =?utf-8?b?Qg==?= c", "=?"]
)
def test_a_subject_that_looks_encoded_is_read_as_it_was_written(subject):
    raw = mail.encode(_notification(subject=subject), mail_from=FROM)

    assert str(email.message_from_bytes(raw, policy=email.policy.default)["Subject"]) == subject


@pytest.mark.parametrize("end", ["\r\n", "\n", "\u2028", "\x00"])
def test_a_subject_that_would_be_another_header_is_no_mail(end):
    with pytest.raises(ValueError, match="Subject holds a control character"):
        mail.encode(_notification(subject=f"a{end}Bcc: b@example.com"), mail_from=FROM)
