"""The provider's faults: they strike as they are set, and are counted."""

import http.client
import json

import pytest

from tests.integration.outside.processes import ORDER, Provider


def _set(provider: Provider, **faults: object) -> int:
    body = json.dumps(faults).encode()
    return provider.request("PUT", "/faults", body, content_type="application/json")[0]


@pytest.mark.parametrize(
    ("fault", "status", "thrown"), [("p_429", 429, "refused"), ("p_5xx", 500, "failed")]
)
def test_an_order_is_refused_before_anything_is_done(provider, fault, status, thrown):
    _set(provider, **{fault: 1})

    assert provider.charge("k")[0] == status

    assert provider.charges() == []
    assert provider.get("/faults")[1]["thrown"] == {thrown: 1}


def test_a_lost_answer_leaves_its_effect_behind_for_the_same_key(provider):
    _set(provider, p_lost=1)
    with pytest.raises(http.client.RemoteDisconnected):
        provider.charge("k")
    _set(provider)

    status, charge, headers = provider.charge("k")

    assert (status, headers["idempotent-replayed"]) == (200, "true")
    assert [each["id"] for each in provider.charges()] == [charge["id"]]


def test_a_hung_order_is_never_answered_and_others_are(provider):
    _set(provider, p_hang=1)
    connection = http.client.HTTPConnection("127.0.0.1", provider.http_port, timeout=0.3)
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    connection.request("POST", "/charges", json.dumps(ORDER), headers)
    with pytest.raises(TimeoutError):
        connection.getresponse()
    connection.close()

    assert _set(provider) == 200
    assert provider.charges() == []
    assert provider.charge("k")[0] == 200


def test_the_same_seed_throws_the_same_faults(provider):
    def thrown() -> list[int]:
        _set(provider, seed=7, p_5xx=0.5)
        return [provider.charge(f"k{number}")[0] for number in range(20)]

    first = thrown()

    assert set(first) == {200, 500}
    assert thrown() == first


@pytest.mark.parametrize("faults", [{"p_lost": 2}, {"p_lost": "1"}, {"nonsense": 1}])
def test_faults_that_cannot_be_are_refused(provider, faults):
    assert _set(provider, **faults) == 400
