"""The HTTP/1.1 server of one application: it makes the connection of each client."""

from local.http.connection import Connection
from local.http.connections import Connections
from local.http.limits import LIMITS, Limits
from local.http.request import Application


class Server:
    """An application with its connections and their limits."""

    def __init__(self, application: Application, limits: Limits = LIMITS) -> None:
        self.connections = Connections(limits.connections_max)
        self._application = application
        self._limits = limits

    def connection(self) -> Connection:
        """Return a protocol for a client that has just connected."""
        return Connection(self._application, self.connections, self._limits)
