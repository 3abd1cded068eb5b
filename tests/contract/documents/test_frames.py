"""Frames that are none, cut anywhere, or too many: they harm nobody but their own connection."""

import socket
import struct
from collections.abc import Iterator
from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.collection import Collection

Document = dict[str, Any]
Things = Collection[Document]


@pytest.fixture
def things(embedded: MongoClient[Document]) -> Iterator[Things]:
    embedded.frames.things.insert_many([{"_id": 1}, {"_id": 2}])
    yield embedded.frames.things
    embedded.drop_database("frames")


def section(command: Document) -> bytes:
    return b"\x00" + bson.encode(command | {"$db": "frames"})


def frame_of(*sections: bytes, flags: int = 0) -> bytes:
    """Return a message of these sections."""
    length = 20 + sum(map(len, sections))
    return struct.pack("<iiiiI", length, 7, 0, 2013, flags) + b"".join(sections)


PING, DROP = section({"ping": 1}), section({"drop": "things"})
INSERTION = section({"insert": "things"})
WITH_DOCUMENTS = section({"insert": "things", "documents": [{"_id": 8}]})
SEQUENCE = b"\x01" + struct.pack("<i", 28) + b"documents\x00" + bson.encode({"_id": 9})

BAD_BYTES = [
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    struct.pack("<iiii", 15, 1, 0, 2013),
    struct.pack("<iiii", 2**31 - 1, 1, 0, 2013),
    struct.pack("<iiii", 16, 1, 0, 2013),
    struct.pack("<iiiiIBi", 25, 1, 0, 2013, 0, 0, 1000),
    struct.pack("<iiiiIBi", 25, 1, 0, 2013, 0, 7, 5),
    struct.pack("<iiiiIBiB", 26, 1, 0, 2013, 0, 0, 5, 9),
    struct.pack("<iiiiI", 20, 1, 0, 2004, 0),
    struct.pack("<iiiiI", 20, 1, 0, 2012, 0),
    frame_of(DROP, flags=4),
    frame_of(PING, DROP),
    frame_of(INSERTION, SEQUENCE, SEQUENCE),
    frame_of(WITH_DOCUMENTS, SEQUENCE),
]


@pytest.mark.parametrize("sent", BAD_BYTES, ids=range(len(BAD_BYTES)))
def test_bad_bytes_close_their_own_connection_only(things: Things, sent: bytes) -> None:
    address = things.database.client.address
    assert address

    with socket.create_connection(address, timeout=5) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(65536)

    assert answer == b"" or b"errmsg" in answer
    assert things.count_documents({}) == 2


def test_requests_sent_byte_by_byte_or_together_are_all_answered(things: Things) -> None:
    section = b"\x00" + bson.encode({"ping": 1, "$db": "admin"})
    frame = struct.pack("<iiiiI", 20 + len(section), 7, 0, 2013, 0) + section
    address = things.database.client.address
    assert address

    with socket.create_connection(address, timeout=5) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in frame:
            connection.sendall(bytes([byte]))
        connection.sendall(frame * 3)
        connection.shutdown(socket.SHUT_WR)
        answers = b"".join(iter(lambda: connection.recv(65536), b""))

    assert answers.count(b"\x01ok\x00" + struct.pack("<d", 1.0)) == 4


def test_a_command_nested_too_deeply_is_refused(things: Things) -> None:
    raw = bson.encode({"x": 1})
    for _ in range(3000):
        raw = bson.encode({"x": RawBSONDocument(raw)})
    section = b"\x00" + bson.encode({"find": "things", "filter": RawBSONDocument(raw), "$db": "d"})
    frame = struct.pack("<iiiiI", 20 + len(section), 7, 0, 2013, 0) + section
    address = things.database.client.address
    assert address

    with socket.create_connection(address, timeout=5) as connection:
        connection.sendall(frame)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(65536)

    assert answer == b"" or b"errmsg" in answer
    assert things.count_documents({}) == 2


def test_a_connection_too_many_closes_the_idlest_and_is_served(things: Things) -> None:
    address = things.database.client.address
    assert address
    idle = [socket.create_connection(address, timeout=5) for _ in range(1_005)]
    try:
        section = b"\x00" + bson.encode({"ping": 1, "$db": "admin"})
        frame = struct.pack("<iiiiI", 20 + len(section), 7, 0, 2013, 0) + section
        idle[-1].sendall(frame)

        assert b"ok" in idle[-1].recv(65536)
        assert idle[0].recv(1) == b""
    finally:
        for connection in idle:
            connection.close()
    assert things.count_documents({}) == 2
