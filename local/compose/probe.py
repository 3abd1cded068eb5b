"""Health check of a container: GET each URL; the exit code says whether all answered 200.

Run as a file by `python -IS`, which starts in a third of the time: only sockets are imported.
"""

import socket
import sys

TIMEOUT_S = 4.0  # below the health checks' time-out, so that the sentence is still printed
ANSWER_BYTES_MAX = 1 << 20  # the metrics of a busy gateway are 200 KiB
SHOWN_CHARS = 300


def trouble(url: str) -> str:
    """Return what is wrong with `http://host:port/path#text`, whose answer must hold the text."""
    target, _, text = url.partition("#")
    address, _, path = target.removeprefix("http://").partition("/")
    host, _, port = address.partition(":")
    try:
        answer = _get(host, int(port), f"/{path}")
    except OSError as error:
        return f"{target} does not answer: {error.strerror or error}"
    head, _, body = answer.partition("\r\n\r\n")
    status = head.split(" ")[1] if " " in head else "nothing"
    if status != "200":
        return f"{target} answers {status}: {body[:SHOWN_CHARS]}"
    return "" if text in body else f"{target} does not say {text}"


def _get(host: str, port: int, path: str) -> str:
    with socket.create_connection((host, port), timeout=TIMEOUT_S) as stream:
        stream.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        received = b""
        while len(received) < ANSWER_BYTES_MAX and (chunk := stream.recv(65_536)):
            received += chunk
    return received.decode(errors="replace")


def main() -> int:
    for url in sys.argv[1:]:
        if reason := trouble(url):
            sys.stdout.write(f"{reason}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
