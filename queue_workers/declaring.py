"""What senders on Redis have to know of a template's queues, which only the template says."""

import logging

from backend.errors import QueueUnavailable
from backend.queues import declare
from local.template import Template
from local.template.intrinsics import QUEUE_URL

log = logging.getLogger(__name__)


def declares(template: Template) -> bool:
    """Tell senders of the template's queues what those are like; False when Redis is away."""
    try:
        for queue in template.queues.values():
            declare(
                f"{QUEUE_URL}{queue.name}",
                delay_s=queue.delay_s,
                message_bytes_max=queue.message_bytes_max,
                deduplicates_content=queue.deduplicates_content,
                deduplicates_by_group=queue.deduplicates_by_group,
            )
    except QueueUnavailable as error:
        log.warning("%s", error)
        return False
    return True
