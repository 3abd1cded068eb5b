"""The embedded Valkey with redis.conf, and the ports that the stores take."""

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from local.machine.stores import NoFreePort, Valkey, is_taken, port_or_next
from tests.conftest import free_port, wait_until


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Valkey]:
    valkey = Valkey(directory=tmp_path, port=free_port(), socket_path=tmp_path / "s")
    assert not valkey.answers()
    process = subprocess.Popen(valkey.command, stdout=subprocess.DEVNULL)
    wait_until(valkey.answers)
    yield valkey
    process.terminate()
    assert process.wait(timeout=10) == 0


def test_the_server_runs_by_redis_conf(server: Valkey):
    with redis.Redis.from_url(server.url) as client:
        settings = client.config_get(
            "maxmemory-policy", "maxmemory", "appendonly", "appendfsync", "maxclients"
        )

    assert settings == {
        "maxmemory-policy": "noeviction",
        "maxmemory": str(512 * 1024 * 1024),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxclients": "10000",
    }


def test_the_server_answers_on_its_socket_and_on_its_port(server: Valkey):
    with redis.Redis.from_url(server.url) as one, redis.Redis(port=server.port) as other:
        one.set("key", "value")

        assert other.get("key") == b"value"


@pytest.mark.row("3.23")
def test_a_kill_loses_nothing_that_was_answered(tmp_path: Path):
    valkey = Valkey(directory=tmp_path, port=free_port(), socket_path=tmp_path / "s")
    for expected in (b"0", b"1"):
        process = subprocess.Popen(valkey.command, stdout=subprocess.DEVNULL)
        wait_until(valkey.answers)
        with redis.Redis.from_url(valkey.url) as client:
            value = client.get("key") or b"0"
            client.set("key", "1")
        process.kill()
        process.wait(timeout=10)

        assert value == expected


def test_the_next_port_is_taken_where_the_usual_one_is():
    with socket.create_server(("127.0.0.1", 0)) as other:
        usual = other.getsockname()[1]
        chosen = port_or_next(usual)

    assert is_taken(usual) is False
    assert usual < chosen < usual + 100


def test_without_a_free_port_the_range_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("local.machine.stores.PORTS_TRIED", 1)
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        pytest.raises(NoFreePort, match="all taken"),
    ):
        port_or_next(other.getsockname()[1])
