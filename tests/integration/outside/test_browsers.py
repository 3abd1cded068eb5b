"""Pages of other sites in a browser on this machine: they make no payment and read no mail."""

import pytest

from tests.integration.outside.processes import Mailbox, Provider

FOREIGN = [
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"host": "evil.example:5090"},
    {"host": "127.0.0.1.evil.example"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_no_foreign_page_sets_faults(shared: Provider, headers: dict[str, str]) -> None:
    status, problem, _ = shared.request("PUT", "/faults", b'{"p_lost": 1.0}', **headers)

    assert (status, problem["code"]) == (403, "foreign_page")
    assert shared.get("/faults")[1]["p_lost"] == 0


@pytest.mark.parametrize("headers", FOREIGN)
def test_no_foreign_page_reads_mails_or_sends_messages(
    mailbox: Mailbox, headers: dict[str, str]
) -> None:
    message = b'{"id": "ntf_1", "to": "+4915112345678", "text": "Hello"}'
    answers = [
        mailbox.request("POST", "/sms", message, **headers),
        mailbox.request("GET", "/messages", None, **headers),
    ]

    assert [status for status, _, _ in answers] == [403, 403]
    assert mailbox.messages() == []


@pytest.mark.parametrize("host", ["localhost", "provider:5090", "[::1]:5090", "10.0.0.1"])
def test_local_names_and_addresses_are_answered(shared: Provider, host: str) -> None:
    origin = f"http://{host}"

    assert shared.request("GET", "/health", host=host, origin=origin)[0] == 200
