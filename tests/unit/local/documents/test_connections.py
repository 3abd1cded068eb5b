"""Frames that come late or hold too much; time is passed in."""

import asyncio
import struct
import time

import pytest

from local.documents.connections import (
    BUFFERED_BYTES_MAX,
    CONNECTIONS_MAX,
    FRAME_S,
    Connection,
    Connections,
)

FRAME = struct.pack("<iiii", 20, 1, 0, 2013) + b"\0\0\0\0"
BEGUN = struct.pack("<i", 40_000_000)


class Wire(asyncio.Transport):
    """The other side of a connection: what it would see."""

    def __init__(self) -> None:
        super().__init__()
        self.is_closed = False
        self.is_paused = False

    def close(self) -> None:
        self.is_closed = True

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False


class Peer:
    """A connection with the frames that were answered; `takes` says how many are."""

    def __init__(self, connections: Connections, takes: int = 100) -> None:
        self.takes = takes
        self.frames: list[bytes] = []
        self.wire = Wire()
        self.connection = Connection(connections, self._answer)
        self.connection.connection_made(self.wire)

    def _answer(self, _: Connection, frame: bytes) -> bool:
        if len(self.frames) >= self.takes:
            return False
        self.frames.append(frame)
        return True


@pytest.fixture
def connections() -> Connections:
    return Connections()


def test_a_frame_that_is_not_there_in_time_closes_its_connection_only(
    connections: Connections,
) -> None:
    late, quick, idle = Peer(connections), Peer(connections), Peer(connections)
    late.connection.data_received(FRAME[:10])
    quick.connection.data_received(FRAME[:10])
    quick.connection.data_received(FRAME[10:])

    connections.close_late(time.monotonic() + FRAME_S - 1)

    assert not late.wire.is_closed

    connections.close_late(time.monotonic() + FRAME_S + 1)

    assert [each.wire.is_closed for each in (late, quick, idle)] == [True, False, False]
    assert quick.frames == [FRAME]


def test_a_frame_that_keeps_arriving_slowly_is_late_all_the_same(connections: Connections) -> None:
    slow = Peer(connections)
    for byte in FRAME[:15]:
        slow.connection.data_received(bytes([byte]))

    connections.close_late(time.monotonic() + FRAME_S + 1)

    assert slow.wire.is_closed


def test_a_frame_too_many_for_all_unfinished_ones_closes_its_connection(
    connections: Connections,
) -> None:
    part = bytes(30_000_000)
    peers = [Peer(connections) for _ in range(BUFFERED_BYTES_MAX // len(part) + 1)]
    small = Peer(connections)
    for peer in peers:
        peer.connection.data_received(BEGUN + part)
    small.connection.data_received(FRAME[:10])

    assert [peer.wire.is_closed for peer in peers] == [False] * (len(peers) - 1) + [True]
    assert not small.wire.is_closed
    assert sum(len(peer.connection.buffer) for peer in peers) <= BUFFERED_BYTES_MAX


def test_one_connection_too_many_closes_the_one_silent_for_longest(
    connections: Connections,
) -> None:
    peers = [Peer(connections) for _ in range(CONNECTIONS_MAX)]
    peers[0].connection.data_received(FRAME)
    Peer(connections)

    assert [peer.wire.is_closed for peer in peers[:3]] == [False, True, False]
    assert len(connections) == CONNECTIONS_MAX


def test_a_frame_that_has_to_wait_is_kept_with_those_behind_it(connections: Connections) -> None:
    peer = Peer(connections, takes=1)
    peer.connection.data_received(FRAME * 3)
    connections.close_late(time.monotonic() + FRAME_S + 1)

    assert (len(peer.frames), peer.wire.is_paused, peer.wire.is_closed) == (1, True, False)

    peer.takes = 100
    peer.connection.resume()

    assert peer.frames == [FRAME] * 3
    assert (len(peer.connection.buffer), peer.wire.is_paused) == (0, False)


def test_a_client_that_reads_no_answers_is_not_read_when_its_frame_may_go_on(
    connections: Connections,
) -> None:
    peer = Peer(connections, takes=0)
    peer.connection.data_received(FRAME)
    peer.connection.pause_writing()
    peer.takes = 1
    peer.connection.resume()

    assert (peer.frames, peer.wire.is_paused) == ([FRAME], True)

    peer.connection.resume_writing()

    assert not peer.wire.is_paused
