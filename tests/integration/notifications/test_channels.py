"""Each channel over the wire: text messages, encrypted mail, and how much of it."""

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from notifications import life_cycle
from notifications.answers import Accepted, Permanent, RetryAfter
from notifications.channels.email import SmtpSender
from notifications.channels.sms import SmsPoster
from notifications.limits import Limits
from notifications.schema import NotificationRequest
from notifications.templates.built_in import PUBLIC
from tests.conftest import free_port, wait_until
from tests.integration.hanging_up import HangingUp
from tests.integration.scripted_smtp import ScriptedSmtp

ENCRYPTED = pytest.mark.parametrize("scheme", ["smtps", "smtp+starttls"])


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A key with a certificate for localhost that it has signed itself, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(signed.public_bytes(pem) + private)
    return path


@pytest.fixture
def trusted(certificate, monkeypatch):
    """The certificate, which this machine trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    return certificate


@pytest.mark.parametrize(
    ("name", "status", "result", "code"),
    [
        ("refuse", "failed", "refused", 550),
        ("defer", "queued", "deferred", 451),
        ("bounce", "delivered", "delivered", 250),
    ],
)
def test_the_mailbox_does_with_a_mail_what_its_address_asks_for(sent, name, status, result, code):
    shown = sent("k", to=f"{name}@simulator.example")

    [attempt] = shown["attempts"]
    assert (shown["status"], attempt["result"], attempt["code"]) == (status, result, code)


@pytest.fixture
def send_mail():
    """Send a mail to each of these numbers by the server that a URL names."""
    senders = []

    def send(url, numbers=(0,)):
        senders.append(SmtpSender(url, mail_from="Spillway <no-reply@spillway.example>"))
        return senders[-1].send_all([_notification(each) for each in numbers])

    yield send
    for each in senders:
        each.close()


def _notification(number=0, tenant="t", **changes):
    fields = {"channel": "email", "to": f"{number}@example.com", "template": "welcome"}
    request = NotificationRequest(**{**fields, "variables": {"name": "Ada"}, **changes})
    return life_cycle.create(
        request, PUBLIC[request.template], tenant=tenant, key=str(number), link=str, now_ms=0
    )


@ENCRYPTED
def test_mails_go_encrypted_and_with_a_password_where_the_url_says_so(trusted, send_mail, scheme):
    with ScriptedSmtp(certificate=trusted, scheme=scheme, login="shop:se cret") as server:
        url = f"{scheme}://shop:se%20cret@localhost:{server.port}"
        answers = send_mail(url, numbers=range(3))

    assert [type(each) for each in answers] == [Accepted] * 3
    assert (server.connections, server.logins, len(server.mails)) == (1, 1, 3)


def test_an_encrypted_connection_is_kept_and_made_anew_when_the_server_hangs_up(trusted):
    with ScriptedSmtp(certificate=trusted, scheme="smtps", mails_a_connection=2) as server:
        sender = SmtpSender(server.url, mail_from="a@example.com")
        answers = [sender.send_all([_notification(number)])[0] for number in range(2)]
        wait_until(lambda: server.hung_up == 1, 5)
        answers += [sender.send_all([_notification(number)])[0] for number in range(2, 4)]
        sender.close()

    assert [type(each) for each in answers] == [Accepted] * 4
    assert server.connections == 2


@ENCRYPTED
def test_no_mail_goes_to_a_server_that_nobody_vouches_for(certificate, send_mail, scheme):
    with ScriptedSmtp(certificate=certificate, scheme=scheme) as server:
        [answer] = send_mail(server.url)

    assert isinstance(answer, RetryAfter)
    assert ("CERTIFICATE_VERIFY_FAILED" in answer.reason, server.mails) == (True, [])


@ENCRYPTED
def test_no_mail_goes_to_a_server_of_another_name(trusted, send_mail, scheme):
    with ScriptedSmtp(certificate=trusted, scheme=scheme) as server:
        [answer] = send_mail(f"{scheme}://127.0.0.1:{server.port}")

    assert isinstance(answer, RetryAfter)
    assert ("not valid for" in answer.reason, server.mails) == (True, [])


def test_a_server_that_cannot_encrypt_gets_neither_password_nor_mail(send_mail):
    with ScriptedSmtp(login="shop:secret") as server:
        [answer] = send_mail(f"smtp+starttls://shop:secret@localhost:{server.port}")

    assert isinstance(answer, RetryAfter)
    assert (server.mails, server.logins) == ([], 0)


def test_a_wrong_password_is_told_and_tried_again_later(trusted, send_mail):
    with ScriptedSmtp(certificate=trusted, scheme="smtps", login="shop:other") as server:
        [answer] = send_mail(f"smtps://shop:secret@localhost:{server.port}")

    assert isinstance(answer, RetryAfter)
    assert "535 5.7.8 wrong password" in answer.reason


def test_a_text_message_is_in_the_mailbox(create, show, deliver, mailbox):
    to = f"+49151{free_port():07}"
    notification_id = create("k", channel="sms", to=to).body["id"]
    deliver()
    [message] = mailbox.mails_to(to)

    assert show(notification_id)["status"] == "delivered"
    assert (message["channel"], message["message_id"]) == ("sms", f"<{notification_id}>")
    assert mailbox.raw(message["sequence"]).decode().startswith("Hello Ada,")


def test_a_text_message_that_is_refused_is_not_tried_again(mailbox):
    poster = SmsPoster(f"http://127.0.0.1:{mailbox.http_port}/nowhere")
    batch = [_notification(number, channel="sms", to="+4915112345678") for number in range(2)]
    answers = poster.send_all(batch)
    poster.close()

    assert answers == [Permanent(code=404, reason="Refused.")] * 2


def test_text_messages_go_to_the_whole_url_by_a_new_connection_when_the_server_hung_up():
    with HangingUp() as server:
        poster = SmsPoster(f"{server.url}/sms?key=a")
        answers = poster.send_all([_notification(channel="sms", to="+4915112345678")])
        assert server.hung_up.wait(5)
        answers += poster.send_all([_notification(channel="sms", to="+4915112345678")])
        poster.close()

    assert [type(each) for each in answers] == [Accepted] * 2
    assert server.paths == ["/sms?key=a"] * 2


def test_a_text_message_that_nobody_answers_for_is_tried_again():
    silent = SmsPoster(f"http://127.0.0.1:{free_port()}/sms")
    [answer] = silent.send_all([_notification(channel="sms", to="+4915112345678")])

    assert isinstance(answer, RetryAfter)


def test_what_is_too_much_for_a_recipient_gets_its_turn_later_and_then_is_not_counted_again(
    start, create, show, messages, due, address
):
    worker = start("notifications.app.worker", NOTIFICATIONS_PER_RECIPIENT_H="2")
    ids = [create(f"k{number}", to=address).body["id"] for number in range(4)]
    worker.consume(messages())
    now = datetime.datetime.now(datetime.UTC)
    waiting = [each for each in map(show, ids) if each["status"] == "queued"]
    turns = sorted(datetime.datetime.fromisoformat(each["due_at"]) for each in waiting)
    due(waiting[0]["id"])
    worker.consume(messages())

    assert [round((each - now).total_seconds() / 60) for each in turns] == [30, 60]
    assert all(each["attempts"] == [] for each in waiting)
    assert show(waiting[0]["id"])["status"] == "delivered"


def test_what_would_wait_longer_than_a_day_is_refused_a_turn(valkey):
    limits = Limits(valkey, tenant_per_s=1000, recipient_per_hour=1)
    batch = [_notification(number, to="a@example.com") for number in range(27)]
    waits = list(limits.waits_ms(batch).values())

    assert [round(each / 3_600_000) for each in waits[:25]] == list(range(25))
    assert waits[25:] == [-1, -1]


def test_a_tenant_has_a_rate_and_another_tenant_its_own(valkey):
    limits = Limits(valkey, tenant_per_s=1, recipient_per_hour=60)
    waits = [
        list(limits.waits_ms([_notification(n, tenant=name) for n in range(13)]).values())
        for name in ("a", "b")
    ]

    assert all([round(each / 1000) for each in its] == [0] * 10 + [1, 2, 3] for its in waits)


def test_without_redis_nothing_is_limited():
    gone = f"redis://127.0.0.1:{free_port()}/0"
    limits = Limits(gone, tenant_per_s=1, recipient_per_hour=1)

    assert [limits.waits_ms([_notification()] * 20) for _ in range(2)] == [{}, {}]
