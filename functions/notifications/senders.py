"""Which adapter serves a channel, as the settings' URLs say."""

from notifications.channels import Channel
from notifications.sms import SmsPoster
from notifications.smtp import SmtpSender


def email(url: str, *, mail_from: str) -> Channel:
    """Return the sender of e-mails: SMTP, or SES where the URL is `ses:CONFIGURATION_SET`."""
    scheme, _, rest = url.partition(":")
    if scheme != "ses":
        return SmtpSender(url, mail_from=mail_from)
    from notifications.aws import SesSender  # noqa: PLC0415  # boto3 costs 200 ms of CPU

    return SesSender(rest, mail_from=mail_from)


def sms(url: str) -> Channel:
    """Return the sender of text messages: whom the URL names, or SNS where it is `sns:`."""
    if not url.startswith("sns:"):
        return SmsPoster(url)
    from notifications.aws import SnsSender  # noqa: PLC0415  # boto3 costs 200 ms of CPU

    return SnsSender()
