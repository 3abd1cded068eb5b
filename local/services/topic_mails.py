"""The mails of topics: a stand-in function for each subscription by mail, which fills the mailbox.

The emulator itself sends none. Nobody has to confirm such a subscription here.
"""

import json
import logging
import smtplib
from email.message import EmailMessage
from typing import Any

log = logging.getLogger(__name__)

SENDER = "AWS Notifications <no-reply@sns.amazonaws.com>"
SUBJECT = "AWS Notification Message"
SENT_WITHIN_S = 10.0


def place_of(subscription: dict[str, Any]) -> str:
    """Return what the forwarder of a stand-in gets: how the mail is written, and its address."""
    return f"{subscription['Protocol']}:{subscription.get('Endpoint', '')}"


def send(kind: str, address: str, event: Any, mailbox: str) -> None:
    """Send the messages of a topic's event. Raises OSError where nobody takes them."""
    host, _, port = mailbox.rpartition(":")
    if not host:
        log.warning("no mail to %s: there is no mailbox", address)
        return
    with smtplib.SMTP(host, int(port), timeout=SENT_WITHIN_S) as smtp:
        for record in event["Records"]:
            smtp.send_message(_mail(kind, address, record["Sns"]))


def _mail(kind: str, address: str, message: dict[str, Any]) -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"] = SENDER, address
    mail["Subject"] = " ".join((message.get("Subject") or SUBJECT).split())
    mail.set_content(json.dumps(message) if kind == "email-json" else str(message["Message"]))
    return mail
