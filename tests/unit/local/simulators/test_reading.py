"""Mails as people read them, also those that are made to keep a parser busy or to break it."""

from time import process_time

import pytest

from local.simulators.reading import read

NESTED = b"".join(
    b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (n, n) for n in range(3_000)
)


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Type: text/plain; charset=idna\r\nContent-Transfer-Encoding: 8bit\r\n",
        b'Content-Type: text/plain; charset="a\0b"\r\n',
        b"Content-Type: text/plain; charset=rot13\r\n",
        b"Content-Type: " + b"a;" * 50_000 + b"\r\n",
        b"Content-Type: text/plain" + b";\r\n a=b" * 50_000 + b"\r\n",
        b"To: " + b"<" * 100_000 + b"\r\n",
        b"Subject: a\r\n" + NESTED,
    ],
    ids=range(7),
)
def test_a_hostile_mail_is_shown_at_once(head: bytes):
    before_s = process_time()
    mail = read(head + b"\r\n\xff hello\r\n")

    assert "hello" in mail.text
    assert process_time() - before_s < 1
