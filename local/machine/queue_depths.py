"""How full the queues of a template are, read where they are carried."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from local import BACKEND_LAYER
from local.template import Template
from local.template.intrinsics import QUEUE_URL


class QueuesUnreadable(Exception):
    """The server that carries the queues does not answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDepth:
    """The messages of one queue by state."""

    name: str
    visible: int
    delayed: int
    in_flight: int
    oldest_age_s: float
    dead_letter: str | None  # the name of its dead-letter queue

    @property
    def total(self) -> int:
        return self.visible + self.delayed + self.in_flight


def reach_queues(variables: Mapping[str, str]) -> None:
    """Have `backend` find the running system's stores; it reads settings when it is imported."""
    os.environ.update(variables)
    if str(BACKEND_LAYER) not in sys.path:
        sys.path.insert(0, str(BACKEND_LAYER))


def depths(template: Template, variables: Mapping[str, str]) -> list[QueueDepth]:
    """Count every queue of `template`; `variables` are the running system's store addresses.

    Raises QueuesUnreadable. Blocks for as long as the carrier takes, at most a second a queue.
    """
    reach_queues(variables)
    from backend import queues  # noqa: PLC0415
    from backend.errors import Unavailable  # noqa: PLC0415

    found = []
    for queue in template.queues.values():
        try:
            depth = queues.connect(f"{QUEUE_URL}{queue.name}").depth()
        except Unavailable as error:
            raise QueuesUnreadable(f"the queue {queue.name} cannot be read: {error}") from error
        found.append(
            QueueDepth(
                name=queue.name,
                visible=depth.visible,
                delayed=depth.delayed,
                in_flight=depth.in_flight,
                oldest_age_s=depth.oldest_age_s,
                dead_letter=queue.dead_letter,
            )
        )
    return found
