"""Connections that are kept between events: the other side may have ended one meanwhile."""

import select
import socket


def is_open(connection: socket.socket) -> bool:
    """Tell whether the other side of an idle connection still waits for us.

    Nothing was asked, so whatever there is to read is its end.
    """
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return not poll.poll(0)
