"""The story of one object for the console, told by the command `story` in a process of its own.

It reads whole logs and the stores: in the gateway's process requests would wait for that.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from local.console.answers import Page, as_json
from local.runtime import interpreter

TIMEOUT_S = 9.0  # below the time that a view has
AT_ONCE = 2  # each takes a good part of a second of CPU
ID = re.compile(r"[!-~]{8,200}")
EXIT_UNKNOWN = 1  # of the command, where nobody knows the object


def view_of(state: Path) -> Callable[[Mapping[str, str]], Awaitable[Page]]:
    """Return the view `/api/story/{id}` of the system in this state directory."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def view(parameters: Mapping[str, str]) -> Page:
        if not ID.fullmatch(parameters["id"]):
            return _refusal(400, "an id has 8 to 200 visible characters without a space")
        async with turns, asyncio.timeout(TIMEOUT_S):
            return await _answer_of_command(state, parameters["id"])

    return view


async def _answer_of_command(state: Path, object_id: str) -> Page:
    command = interpreter.command(interpreter.OWN.path, "local")
    process = await asyncio.create_subprocess_exec(
        *(*command, "story", "--json", "--state", str(state), "--", object_id),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode == 0:
        return Page(output)
    sentence = errors.decode(errors="replace").strip().rpartition("\n")[2]
    return _refusal(404 if process.returncode == EXIT_UNKNOWN else 503, sentence)


def _refusal(status: int, sentence: str) -> Page:
    return as_json({"message": sentence}, status)
