"""E-mail by SMTP, over one kept connection."""

from collections.abc import Sequence
from email.utils import parseaddr

from notifications import mail
from notifications.channels import Answer, RetryAfter
from notifications.schema import Notification
from notifications.smtp_connection import Server, SmtpConnection

# Mail servers that greylist take it a few minutes later; the last attempt is twelve hours after the
# first, when a server that is down for a night has come back.
SCHEDULE_S = (30, 300, 900, 3600, 7200, 14_400, 14_400)


class SmtpSender:
    """Implements notifications.channels.Channel; connects at the first mail and stays connected."""

    schedule_s = SCHEDULE_S

    def __init__(self, url: str, *, mail_from: str) -> None:
        self._server = Server.of(url)
        self._mail_from = mail_from
        self._return_path = parseaddr(mail_from)[1]
        self._connection: SmtpConnection | None = None

    def send_all(self, batch: Sequence[Notification]) -> list[Answer]:
        """Send one mail for each notification and return what became of each."""
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
