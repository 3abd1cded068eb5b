"""The cost of importing each function's module: the largest part of a cold start on Lambda.

    python tests/bench/imports.py [BUILD PYTHON]    for example .aws-sam/build python3.13

Without arguments it is what stands in the checkout, under this Python. With them it is what
`sam build` made, by the interpreter Lambda has; the packages must be for this machine's processor.
"""

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from local.template import Function, load

ROOT = Path(__file__).resolve().parents[2]
RUNS = 7  # the least of them counts: other processes only ever add

MEASURE = """
import importlib, sys, time
before = time.process_time()
importlib.import_module(sys.argv[1])
print((time.process_time() - before) * 1000)
"""


def packages(function: Function, build: Path | None) -> list[Path]:
    """Return where a function's code and layers lie."""
    if build is None:
        return [function.code_uri, ROOT / "layers/backend/python"]
    layers = [build / name / "python" for name in ("BackendLayer", "DependenciesLayer")]
    return [build / function.logical_id, *layers]


def import_ms(function: Function, build: Path | None, python: str) -> float:
    """Return the CPU of one import in a new interpreter that has only Lambda's variables."""
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(map(str, packages(function, build))),
        "QUEUE_BACKEND": "sqs",
        "AWS_REGION": "eu-west-1",
    }
    module = function.handler.rpartition(".")[0]
    # -B: Lambda cannot write bytecode either. -S: nor has it what is installed beside Python here.
    options = ["-B", "-S"] if build else ["-B"]
    command = [python, *options, "-c", MEASURE, module]
    runs = [
        subprocess.run(command, env=environ, check=True, capture_output=True, text=True).stdout
        for _ in range(RUNS)
    ]
    return min(map(float, runs))


def main() -> None:
    build, python = (
        (Path(sys.argv[1]), sys.argv[2]) if len(sys.argv) > 2 else (None, sys.executable)
    )
    for name, function in load(ROOT / "template.yaml").functions.items():
        sys.stdout.write(f"import {name:24} {import_ms(function, build, python):6.0f} ms of CPU\n")


if __name__ == "__main__":
    main()
