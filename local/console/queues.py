"""The queues as JSON: depths, dead letters, and the commands that their server took long for."""

import os
from typing import Any

from local.console.answers import in_thread
from local.console.pages import Console
from local.console.parts import Parts
from local.machine.dead_letters import dead_letters
from local.machine.queue_depths import QueuesUnreadable, depths
from local.machine.slow_commands import slow_commands
from local.template import Template


def add(console: Console, parts: Parts) -> None:
    """Serve what stands in the queues' server; it is read in a thread."""
    console.add_view("/api/queues", in_thread(lambda _: queues(parts.template)))
    console.add_view("/api/slow_commands", in_thread(lambda _: slow()))
    console.add_view("/api/dead_letters", in_thread(lambda _: dead(parts.template)))


def queues(template: Template) -> dict[str, list[dict[str, Any]]]:
    """Return each queue with the number of its dead letters. Raises OSError where none answers."""
    try:
        depths_by_name = {each.name: each for each in depths(template, os.environ)}
    except QueuesUnreadable as error:
        raise OSError(str(error)) from error
    dead_letters = {queue.name: queue.dead_letter for queue in template.queues.values()}
    listed = []
    for name, depth in depths_by_name.items():
        if name in dead_letters.values():
            continue
        dead_letter = dead_letters[name]
        listed.append(
            {
                "name": name,
                "visible": depth.visible,
                "delayed": depth.delayed,
                "in_flight": depth.in_flight,
                "retrying": depth.retrying,
                "oldest_age_s": depth.oldest_age_s,
                "dlq": depths_by_name[dead_letter].total if dead_letter else 0,
                "dead_letter": dead_letter,
            }
        )
    return {"queues": listed}


def dead(template: Template) -> dict[str, list[dict[str, str]]]:
    """Return the newest dead letters of each queue. Raises OSError where none answers."""
    try:
        return {"dead_letters": dead_letters(template, os.environ)}
    except QueuesUnreadable as error:
        raise OSError(str(error)) from error


def slow() -> dict[str, list[dict[str, Any]]]:
    """Return what Redis took long for, the newest first. Raises OSError without an answer."""
    try:
        return {"commands": slow_commands(os.environ)}
    except QueuesUnreadable as error:
        raise OSError(str(error)) from error
