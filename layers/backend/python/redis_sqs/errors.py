"""The errors of every queue; a driver's exceptions are turned into these where it is called."""


class QueueUnavailable(Exception):
    """The queue's server does not answer or refuses; the call may be repeated."""


class QueueFull(QueueUnavailable):
    """The queue holds as many messages as it may; nothing was sent."""
