"""A client of the Debug Adapter Protocol, as editors are."""

import json
import socket
from pathlib import Path
from typing import Any

from tests.conftest import wait_until

ANSWER_S = 20.0


class Editor:
    """An editor that is attached to one port."""

    def __init__(self, port: int) -> None:
        # Not after a probe of the port: the debugger takes one client at a time.
        stream = wait_until(lambda: _connected(port), timeout_s=30)
        assert stream
        self._stream = stream
        self._file = self._stream.makefile("rb")
        self._sent = 0
        self._events: list[dict[str, Any]] = []

    def attach(self, breakpoint_at: tuple[Path, int]) -> None:
        """Attach with one breakpoint, at a line of a file."""
        path, line = breakpoint_at
        self.request("initialize", adapterID="debugpy", clientID="test", pathFormat="path")
        attaching = self.send("attach", justMyCode=True)
        self.event("initialized")
        where = {"path": str(path)}
        answer = self.request("setBreakpoints", source=where, breakpoints=[{"line": line}])
        assert answer["breakpoints"][0]["verified"], answer
        self.request("configurationDone")
        self._answer_to(attaching)

    def variables(self, thread: int) -> dict[str, str]:
        """Return the local variables of the frame at which a thread has stopped."""
        frame = self.request("stackTrace", threadId=thread)["stackFrames"][0]
        scopes = self.request("scopes", frameId=frame["id"])["scopes"]
        place = next(each for each in scopes if each["name"] == "Locals")
        listed = self.request("variables", variablesReference=place["variablesReference"])
        return {each["name"]: each["value"] for each in listed["variables"]}

    def event(self, name: str) -> dict[str, Any]:
        """Return the body of the next event of this name."""
        while True:
            for event in self._events:
                if event["event"] == name:
                    self._events.remove(event)
                    return dict(event.get("body", {}))
            self._events.append(self._next_event())

    def request(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Return the body of the answer to a request."""
        return self._answer_to(self.send(command, **arguments))

    def close(self) -> None:
        """Go away without a word."""
        self._file.close()
        self._stream.close()

    def send(self, command: str, **arguments: Any) -> int:
        """Send a request and return its number."""
        self._sent += 1
        message = {"seq": self._sent, "type": "request", "command": command}
        body = json.dumps({**message, "arguments": arguments}).encode()
        self._stream.sendall(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        return self._sent

    def _answer_to(self, number: int) -> dict[str, Any]:
        while True:
            message = self._receive()
            if message["type"] == "event":
                self._events.append(message)
            elif message.get("request_seq") == number:
                assert message["success"], message
                return dict(message.get("body", {}))

    def _next_event(self) -> dict[str, Any]:
        while (message := self._receive())["type"] != "event":
            pass
        return message

    def _receive(self) -> dict[str, Any]:
        head = b""
        while (line := self._file.readline()) not in (b"\r\n", b""):
            head += line
        assert head, "the debugger has closed the connection"
        length = int(head.lower().partition(b"content-length:")[2].split()[0])
        return dict(json.loads(self._file.read(length)))


def _connected(port: int) -> socket.socket | None:
    try:
        return socket.create_connection(("127.0.0.1", port), timeout=ANSWER_S)
    except ConnectionRefusedError:
        return None
