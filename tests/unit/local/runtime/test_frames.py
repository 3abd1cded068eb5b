"""Frames: what is cut where, and what is refused."""

import json
import socket
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.runtime.frames import (
    FRAME_MAX_BYTES,
    LENGTH,
    AddressError,
    Connection,
    FrameError,
    FrameReader,
    decode,
    encode,
    parse_address,
)

MESSAGES = [{"id": "1", "result": "ä" * 40}, {}, {"id": "3", "result": [1, 2.5, None, True]}]


@given(st.integers(1, 60))
def test_frames_are_the_same_however_the_stream_is_cut(size: int):
    stream = b"".join(encode(message) for message in MESSAGES)
    reader = FrameReader()
    payloads = [
        payload
        for start in range(0, len(stream), size)
        for payload in reader.feed(stream[start : start + size])
    ]

    assert [decode(payload) for payload in payloads] == MESSAGES


def test_a_frame_in_thousands_of_pieces_is_copied_once_and_not_with_each_of_them():
    stream = encode("x" * (FRAME_MAX_BYTES - 1000))
    reader = FrameReader()
    began_s = time.process_time()
    payloads = [reader.feed(stream[start : start + 1024]) for start in range(0, len(stream), 1024)]

    assert payloads[-1] == [stream[LENGTH.size :]]
    assert not any(payloads[:-1])
    assert time.process_time() - began_s < 1


def test_a_frame_over_the_limit_is_refused_by_its_head_and_before_it_is_sent():
    with pytest.raises(FrameError, match="over the limit"):
        FrameReader().feed(LENGTH.pack(FRAME_MAX_BYTES + 1))
    with pytest.raises(FrameError, match="over the limit"):
        encode("x" * FRAME_MAX_BYTES)


@pytest.mark.parametrize("payload", [b"[]", b"{", b"NaN", b""])
def test_a_frame_that_is_no_json_object_is_refused(payload: bytes):
    with pytest.raises(FrameError):
        decode(payload)


def test_two_frames_at_once_are_refused_because_one_event_is_in_hand_at_a_time():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(encode({}) + encode({}))

        with pytest.raises(FrameError, match="before the first was answered"):
            Connection(ours).receive()


def test_after_it_stops_receiving_a_connection_gives_what_had_arrived_and_can_still_send():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        connection = Connection(ours)
        theirs.sendall(encode({"id": "1"}))
        connection.stop_receiving()

        assert connection.receive() == {"id": "1"}
        assert connection.receive() is None
        connection.send(b"answer")
        assert theirs.recv(16) == b"answer"


def test_an_address_is_a_unix_path_or_a_tcp_host_and_port():
    assert parse_address("unix:/run/gateway.sock") == "/run/gateway.sock"
    assert parse_address("tcp:gateway:7000") == ("gateway", 7000)
    assert parse_address("tcp:::1:7000") == ("::1", 7000)


@pytest.mark.parametrize(
    "address", ["", "unix:", "tcp:gateway", "tcp::7000", "http://x", f"unix:/{'x' * 107}"]
)
def test_any_other_address_is_refused(address: str):
    with pytest.raises(AddressError):
        parse_address(address)


@pytest.mark.parametrize(
    "payload",
    [
        b'{"n":18446744073709551616}',
        b'{"n":-9223372036854775809}',
        b'{"n":9223372036854775807,"text":"1234567890123456789"}',
        b'{"n":[1e400,NaN,-Infinity,1e-400]}',
        b'{"n":"\\ud800"}',
        b'{"n":0.1000000000000000055511151231257827,"m":-0,"o":-0.0}',
        b'{"n":1,"n":2}',
    ],
)
def test_a_frame_is_read_as_python_itself_reads_json(payload: bytes):
    assert repr(decode(payload)) == repr(json.loads(payload))
