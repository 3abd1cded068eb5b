"""E-mail by Amazon SES and text messages by Amazon SNS, through boto3."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from backend.settings import settings
from notifications.answers import Accepted, Answer, Permanent, RetryAfter
from notifications.channels import mail, spans
from notifications.channels.protocol import SCHEDULE_S, one_by_one
from notifications.schema import Notification

# What repeating cannot mend; everything else is a limit, a setting to be mended, or a failure.
NEVER_TAKEN = {"MessageRejected", "BadRequestException", "InvalidParameter", "OptedOut"}
CONFIG = Config(
    connect_timeout=1,
    read_timeout=2,  # SES answers within 100 ms; both stay within a batch's time
    retries={"total_max_attempts": 1},  # the notification's own schedule comes on top
)


class SesSender:
    """The channel of e-mail by Amazon SES.

    SES gives a mail a Message-ID of its own; our id is its tag `notification`, which comes back
    with bounces and complaints where a configuration set publishes them.
    """

    schedule_s = SCHEDULE_S

    def __init__(self, configuration_set: str, *, mail_from: str) -> None:
        self._options = {"ConfigurationSetName": configuration_set} if configuration_set else {}
        self._mail_from = mail_from

    def send_all(self, batch: Sequence[Notification]) -> list[Answer]:
        """Send one mail for each notification and return what became of each."""
        call = {"rpc.system": "aws-api", "rpc.service": "SESv2", "rpc.method": "SendEmail"}
        return spans.around(batch, "SendEmail", call, lambda: one_by_one(batch, self._send))

    def _send(self, notification: Notification) -> Answer:
        return _answer(
            lambda: _ses().send_email(
                FromEmailAddress=self._mail_from,
                Destination={"ToAddresses": [notification.to]},
                Content={"Raw": {"Data": mail.encode(notification, mail_from=self._mail_from)}},
                EmailTags=[{"Name": "notification", "Value": notification.id}],
                **self._options,
            )
        )


class SnsSender:
    """The channel of text messages by Amazon SNS: one text message each."""

    schedule_s = SCHEDULE_S

    def send_all(self, batch: Sequence[Notification]) -> list[Answer]:
        """Send one text message for each notification and return what became of each."""
        call = {"rpc.system": "aws-api", "rpc.service": "SNS", "rpc.method": "Publish"}
        return spans.around(batch, "Publish", call, lambda: one_by_one(batch, self._send))

    def _send(self, notification: Notification) -> Answer:
        kind = "Promotional" if notification.unsubscribe_url else "Transactional"
        return _answer(
            lambda: _sns().publish(
                PhoneNumber=notification.to,
                Message=notification.rendered.text,
                MessageAttributes={
                    "AWS.SNS.SMS.SMSType": {"DataType": "String", "StringValue": kind}
                },
            )
        )


def _answer(call: Callable[[], Any]) -> Answer:
    try:
        return Accepted(reference=call()["MessageId"])
    except ClientError as error:
        code = error.response["Error"]["Code"]
        reason = f"{code}: {error.response['Error'].get('Message', '')}"
        return Permanent(reason=reason) if code in NEVER_TAKEN else RetryAfter(reason=reason)
    except BotoCoreError as error:
        return RetryAfter(reason=f"AWS does not answer: {error}")


# Made at their first use: the API function imports this module and never sends.
@functools.cache
def _ses() -> Any:
    return boto3.client("sesv2", region_name=settings.aws_region, config=CONFIG)


@functools.cache
def _sns() -> Any:
    return boto3.client("sns", region_name=settings.aws_region, config=CONFIG)
