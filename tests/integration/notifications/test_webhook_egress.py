"""Webhooks on the wire: the checked address is dialled, and little of the answer is read."""

import pytest

from backend.egress import Egress, NoAnswer
from tests.conftest import free_port
from tests.integration.webhook_sink import Certificate, Drip, WebhookSink

NAME = "hooks.example.com"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return Certificate(NAME, tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def egress():
    return Egress(loopback_allowed=True)


@pytest.fixture
def tls_egress(certificate):
    """A way out that trusts the test's certificate, and for which every name is this machine."""
    return Egress(
        loopback_allowed=True,
        resolve=lambda host, port: ["127.0.0.1"],
        tls=certificate.client_tls(),
    )


def test_the_name_is_asked_for_at_the_address_that_was_checked(tls_egress, certificate):
    with WebhookSink(certificate=certificate) as sink:
        answer = tls_egress.post(f"https://{NAME}:{sink.port}/a?b=c", b"{}", {"X-One": "1"})

    [delivery] = sink.deliveries
    assert answer.status == 204
    assert (delivery.path, delivery.body, delivery.headers["x-one"]) == ("/a?b=c", b"{}", "1")
    assert delivery.headers["connection"] == "close"
    assert (delivery.server_name, delivery.headers["host"]) == (NAME, f"{NAME}:{sink.port}")


def test_a_name_that_changes_its_address_is_looked_up_once(certificate):
    answers = iter([["127.0.0.1"], ["10.0.0.1"], ["169.254.169.254"]])
    rebinding = Egress(
        loopback_allowed=True,
        resolve=lambda host, port: next(answers),
        tls=certificate.client_tls(),
    )
    with WebhookSink(certificate=certificate) as sink:
        rebinding.post(f"https://{NAME}:{sink.port}/", b"{}", {})

    assert len(sink.deliveries) == 1
    assert next(answers) == ["10.0.0.1"]


def test_a_certificate_for_another_name_is_not_accepted(tls_egress, certificate):
    with (
        WebhookSink(certificate=certificate) as sink,
        pytest.raises(NoAnswer, match="certificate does not hold"),
    ):
        tls_egress.post(f"https://other.example.com:{sink.port}/", b"{}", {})

    assert sink.deliveries == []


def test_a_certificate_nobody_vouches_for_is_not_accepted(egress, certificate):
    with WebhookSink(certificate=certificate) as sink, pytest.raises(NoAnswer, match="certificate"):
        egress.post(f"https://127.0.0.1:{sink.port}/", b"{}", {})


def test_a_redirect_is_an_answer_and_not_followed(egress):
    with WebhookSink() as inner, WebhookSink([(302, {"Location": inner.url})]) as outer:
        assert egress.post(outer.url, b"{}", {}).status == 302

    assert (len(outer.deliveries), len(inner.deliveries)) == (1, 0)


def test_proxies_of_the_environment_are_not_used(egress, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
        monkeypatch.setenv(name.upper(), f"http://127.0.0.1:{free_port()}")
    with WebhookSink() as sink:
        assert egress.post(sink.url, b"{}", {}).status == 204


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 1_000_000, 200),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * 1_000_000, 200),
        (b"HTTP/1.0 410 \xff\r\n\r\n", 410),
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 202\r\n\r\n",
            202,
        ),
    ],
)
def test_the_head_of_an_answer_is_enough(egress, raw, status):
    with WebhookSink([raw]) as sink:
        assert egress.post(sink.url, b"{}", {}).status == status


@pytest.mark.parametrize(
    "raw", [b"", b"HTTP/2 200\r\n\r\n", b"SSH-2.0-x\r\n", b"HTTP/1.1 2000\r\n\r\n"]
)
def test_what_is_no_http_response_is_no_answer(egress, raw):
    with WebhookSink([raw]) as sink, pytest.raises(NoAnswer, match="not an HTTP response"):
        egress.post(sink.url, b"{}", {})


@pytest.mark.parametrize("every_s", [0.02, 60])
def test_a_receiver_that_does_not_come_to_the_end_is_given_up(every_s):
    impatient = Egress(loopback_allowed=True, deadline_s=0.3)
    with WebhookSink([Drip(every_s)]) as sink, pytest.raises(NoAnswer, match="No answer in time"):
        impatient.post(sink.url, b"{}", {})


def test_nobody_listening_is_no_answer(egress):
    with pytest.raises(NoAnswer, match="No connection: Connection refused"):
        egress.post(f"http://127.0.0.1:{free_port()}/", b"{}", {})


def test_a_name_without_an_address_is_no_answer():
    def unknown(host, port):
        raise OSError(-2, "Name or service not known")

    with pytest.raises(NoAnswer, match="The host has no address: Name or service not known"):
        Egress(resolve=unknown).post(f"https://{NAME}/", b"{}", {})


def test_the_next_address_is_tried_where_one_refuses(certificate):
    both = Egress(loopback_allowed=True, resolve=lambda host, port: ["127.0.0.9", "127.0.0.1"])
    with WebhookSink() as sink:
        assert both.post(f"http://{NAME}:{sink.port}/", b"{}", {}).status == 204
