"""The calls by which topics and event buses are told of asynchronous events."""

import socket
from threading import Thread
from urllib.parse import parse_qs

import pytest

from local.lambda_service import destination_services


@pytest.mark.parametrize("answer", [b"no HTTP", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n<"])
def test_a_service_that_dies_while_it_answers_is_an_error_of_the_call(monkeypatch, answer):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer_once() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(answer)
                connection.shutdown(socket.SHUT_WR)

        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.getsockname()[1]}")
        thread = Thread(target=answer_once)
        thread.start()

        with pytest.raises(OSError, match="breaks off"):
            destination_services.send(destination_services.publication("topic", "x", {}))
        thread.join()


def test_a_function_s_error_with_half_a_character_is_told(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    words: dict[str, str | int] = {"ErrorMessage": "no \ud800", "ErrorCode": 200}

    request = destination_services.publication("topic", "{}", words)

    assert isinstance(request.data, bytes)
    form = parse_qs(request.data.decode())
    assert form["MessageAttributes.entry.1.Value.StringValue"] == ["no ?"]
