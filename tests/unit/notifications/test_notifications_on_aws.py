"""E-mail by SES and text messages by SNS, on moto's AWS."""

import email
import email.policy

import boto3
import msgspec
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends
from moto.sns.models import sns_backends

from backend.settings import settings
from notifications import life_cycle
from notifications.answers import Accepted, Permanent, RetryAfter
from notifications.channels import aws
from notifications.schema import NotificationRequest
from notifications.templates.built_in import PUBLIC

FROM = "Spillway <no-reply@spillway.example>"


@pytest.fixture(autouse=True)
def on_moto(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield
    for client in (aws._ses, aws._sns):
        client.cache_clear()


def _notification(number=0, **changes):
    requests = {"channel": "email", "to": f"{number}@example.com", "template": "welcome"}
    request = NotificationRequest(**{**requests, "variables": {"name": "Zoë"}, **changes})
    return life_cycle.create(
        request, PUBLIC[request.template], tenant="t", key=str(number), link=str, now_ms=0
    )


def _backend(backends):
    return backends[DEFAULT_ACCOUNT_ID][settings.aws_region]


def _verify(address):
    boto3.client("sesv2", region_name=settings.aws_region).create_email_identity(
        EmailIdentity=address
    )


def test_ses_gets_each_mail_with_its_notification_as_a_tag():
    _verify("no-reply@spillway.example")
    requests = []
    aws._ses().meta.events.register(
        "provide-client-params.sesv2.SendEmail", lambda params, **_: requests.append(params)
    )
    batch = [_notification(number) for number in range(2)]
    answers = aws.SesSender("", mail_from=FROM).send_all(batch)
    sent = _backend(ses_backends).sent_messages

    assert answers == [Accepted(reference=each.id) for each in sent]
    assert [set(each.destinations) for each in sent] == [{each.to} for each in batch]
    assert [each["EmailTags"][0]["Value"] for each in requests] == [each.id for each in batch]
    mail = email.message_from_string(sent[0].raw_data, policy=email.policy.default)
    assert mail["Subject"] == "Welcome, Zoë"


def test_a_mail_that_ses_rejects_is_not_tried_again():
    [answer] = aws.SesSender("", mail_from=FROM).send_all([_notification()])

    assert isinstance(answer, Permanent)
    assert answer.reason.startswith("MessageRejected: ")


def test_a_limit_of_aws_is_waited_for(monkeypatch):
    def throttled(**_):
        raise ClientError({"Error": {"Code": "TooManyRequestsException"}}, "SendEmail")

    monkeypatch.setattr(aws._ses(), "send_email", throttled)
    [answer] = aws.SesSender("set", mail_from=FROM).send_all([_notification()])

    assert isinstance(answer, RetryAfter)


def test_sns_gets_each_text_message():
    [answer] = aws.SnsSender().send_all([_notification(channel="sms", to="+4915112345678")])
    sent = _backend(sns_backends).sms_messages

    [(message_id, message)] = sent.items()
    assert answer == Accepted(reference=message_id)
    assert message == ("+4915112345678", "Hello Zoë,\n\nyour account is ready.\n")


def test_a_number_that_sns_does_not_take_is_not_tried_again():
    bad = msgspec.structs.replace(_notification(channel="sms", to="+4915112345678"), to="nobody")
    [answer] = aws.SnsSender().send_all([bad])

    assert isinstance(answer, Permanent)
