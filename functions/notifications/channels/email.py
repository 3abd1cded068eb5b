"""The channel `email`: SMTP over one kept connection, or Amazon SES where the URL says so."""

from collections.abc import Sequence
from email.utils import parseaddr

from notifications.answers import Answer, RetryAfter
from notifications.channels import mail, spans
from notifications.channels.protocol import SCHEDULE_S, Channel
from notifications.channels.smtp_connection import Server, SmtpConnection
from notifications.schema import Notification


def sender(url: str, *, mail_from: str) -> Channel:
    """Return the sender of e-mails: SMTP, or SES where the URL is `ses:CONFIGURATION_SET`."""
    scheme, _, rest = url.partition(":")
    if scheme != "ses":
        return SmtpSender(url, mail_from=mail_from)
    from notifications.channels.aws import SesSender  # noqa: PLC0415  # boto3 costs 200 ms of CPU

    return SesSender(rest, mail_from=mail_from)


class SmtpSender:
    """The channel of e-mail by SMTP; it connects at the first mail and stays connected."""

    schedule_s = SCHEDULE_S

    def __init__(self, url: str, *, mail_from: str) -> None:
        self._server = Server.of(url)
        self._mail_from = mail_from
        self._return_path = parseaddr(mail_from)[1]
        self._connection: SmtpConnection | None = None

    def send_all(self, batch: Sequence[Notification]) -> list[Answer]:
        """Send one mail for each notification and return what became of each."""
        attributes: dict[str, str | int] = {
            "network.protocol.name": "smtp",
            "server.address": self._server.host,
            "server.port": self._server.port,
        }
        return spans.around(batch, "SMTP send", attributes, lambda: self._send_all(batch))

    def _send_all(self, batch: Sequence[Notification]) -> list[Answer]:
        answers: list[Answer] = []
        mails = [(each.to, mail.encode(each, mail_from=self._mail_from)) for each in batch]
        try:
            answers.extend(self._connected().send_all(self._return_path, mails))
        except OSError as error:
            self.close()
            # Of the first of these nobody knows whether it was taken: at least once means again.
            unknown = RetryAfter(reason=f"No reply by SMTP: {error}.")
            answers += [unknown] * (len(mails) - len(answers))
        return answers

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> SmtpConnection:
        if self._connection is not None and not self._connection.is_open():
            self.close()
        if self._connection is None:
            self._connection = SmtpConnection(self._server)
        return self._connection
