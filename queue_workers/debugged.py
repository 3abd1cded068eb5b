"""The way to a function that a person debugs: its one environment is behind the gateway."""

import http.client
import json
import time
from urllib.parse import quote, urlsplit

from local.machine.stores import listens
from local.template import Function
from queue_workers.batch_trace import Handling
from queue_workers.invoker import EventTooLarge, InvocationFailed, NotTaken

PAUSE_S = 0.2


class DebuggedFunction:
    """Calls of one function by the Invoke API, as an `Invoker` makes them by its socket."""

    def __init__(self, function: Function, url: str) -> None:
        self.function = function
        self._address = urlsplit(url)

    def ready(self, wait_s: float) -> bool:
        """Tell whether the gateway is there, after a pause where it is not."""
        is_there = listens(self._address.port or 0)
        if not is_there:
            time.sleep(min(wait_s, PAUSE_S))
        return is_there

    def invoke(self, event: object, handling: Handling) -> object:
        """Return what the handler returned; the gateway notes its times.

        Raises NotTaken, EventTooLarge or InvocationFailed.
        """
        path = f"/2015-03-31/functions/{quote(self.function.name)}/invocations"
        # Without a time-out: a person steps through the function.
        connection = http.client.HTTPConnection(self._address.netloc)
        try:
            body = json.dumps(event, ensure_ascii=False).encode()
            connection.request("POST", path, body, {"X-Amzn-Trace-Id": handling.header})
            answer = connection.getresponse()
            content = json.loads(answer.read() or b"null")
        except (OSError, http.client.HTTPException) as error:
            raise NotTaken(str(error)) from error
        finally:
            connection.close()
        if answer.status == 413:
            raise EventTooLarge(f"RequestTooLarge: {content['message']}")
        if answer.status >= 300:
            raise NotTaken(f"{answer.status} {content['message']}")
        if answer.getheader("X-Amz-Function-Error"):
            handling.error = content
            raise InvocationFailed(f"{content.get('errorType')}: {content.get('errorMessage')}")
        return content

    def close(self) -> None:
        """There is nothing to close: each call has a connection of its own."""
