"""The journal outlives the mailbox: no mail that it accepted is lost."""

import signal
import smtplib
from concurrent.futures import ThreadPoolExecutor

from tests.conftest import wait_until
from tests.integration.outside.processes import Mailbox, receipt


def test_kill_9_after_250_loses_no_mail(mailbox: Mailbox) -> None:
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(_send_until_refused, mailbox)
        wait_until(lambda: len(mailbox.messages()) > 50)
        mailbox.stop(signal.SIGKILL)
        accepted = sending.result(timeout=20)
    mailbox.start()

    stored = {message["message_id"] for message in mailbox.messages()}
    assert len(accepted) > 50
    assert accepted <= stored
    assert len(stored) <= len(accepted) + 1


def test_a_torn_mail_is_cut_at_the_next_start(mailbox: Mailbox) -> None:
    with mailbox.client() as client:
        client.send_message(receipt(1))
    mailbox.stop(signal.SIGKILL)
    with mailbox.journal.open("ab") as journal:
        journal.write(b'{"sequence":2,"message_id":"<ntf_')
    mailbox.start()
    with mailbox.client() as client:
        client.send_message(receipt(2))

    ids = [message["message_id"] for message in mailbox.messages()]
    assert ids == ["<ntf_1@spillway.example>", "<ntf_2@spillway.example>"]


def _send_until_refused(mailbox: Mailbox) -> set[str]:
    """Send mails until the mailbox is gone; gives the ids of those it took."""
    accepted: set[str] = set()
    client = mailbox.client()
    try:
        for number in range(900):
            mail = receipt(number)
            client.send_message(mail)
            accepted.add(mail["Message-ID"])
    except (OSError, smtplib.SMTPException):
        pass
    finally:
        client.close()
    return accepted
