"""`python -m local.runtime.run_once`: invoke one function with one event and print the answer.

The process is a function's execution environment for this one event.
"""

import argparse
import json
import sys
import time
import uuid

from local.daemon import arguments
from local.runtime.environment import Context
from local.runtime.handler import import_handler, prepare
from local.template.options import chosen

DEADLINE_MS = 3_600_000  # told to the handler, not enforced: somebody waits and can press Ctrl-C


def main() -> int:
    """Print the answer as JSON; an exception of the handler is raised on."""
    parser = argparse.ArgumentParser(prog="python -m local.runtime.run_once", description=__doc__)
    arguments.add_template(parser)
    parser.add_argument("--function", required=True)
    parser.add_argument("--event", default="{}")
    options = parser.parse_args()
    function = chosen(options).functions[options.function]
    answers = sys.stdout
    sys.stdout = sys.stderr  # what the handler prints is no answer
    prepare(function)
    deadline_ms = int(time.time() * 1000) + DEADLINE_MS
    context = Context(function, str(uuid.uuid4()), deadline_ms)
    answer = import_handler(function.handler)(json.loads(options.event), context)
    answers.write(json.dumps(answer) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
