"""The command `new-domain`: writes the folder, entries and tests of a domain into the checkout."""

import argparse
import keyword
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from local.daemon.arguments import PROGRAM
from local.machine.plan import BadInput

TEXTS = Path(__file__).parent
NAME = re.compile(r"[a-z][a-z]{1,18}s")  # queues, modules, routes and scopes have it
WORDS = re.compile("ORDERS|Orders|orders|Order|order(?!ed)")
TOOL_TIMEOUT_S = 60.0  # each takes a second or two
NEW_FILES = {
    "functions/orders/__init__.py": "init",
    "functions/orders/app.py": "app",
    "functions/orders/schema.py": "schema",
    "functions/orders/service.py": "service",
    "functions/orders/store.py": "store",
    "functions/orders/.chalice/config.json": "chalice",
    "tests/integration/orders/test_orders.py": "test",
}
QUEUE_ROW = (
    "| `ORDERS_QUEUE_URL` | `http://sqs.local/000000000000/orders` | Queue of orders to store |\n"
)
KEPT_ROW = "| orders | `orders` | for ever | - |\n"
FIELDS = """
| field of `POST /v1/orders` | |
|---|---|
| `reference` | required: 1 to 255 characters |
"""
DEPENDS = "      orders: {condition: service_started}\n"
DERIVED = ("functions/api/openapi.json", "local/spillway/scopes.json")  # by tests.contract.openapi
# Places of entries: the file, the line that each is put before, and its text, or the file of that.
ENTRIES = (
    ("template.yaml", "\nResources:\n", "        ORDERS_QUEUE_URL: !Ref OrdersQueue\n"),
    ("template.yaml", "  BackendLayer:\n", "template"),
    ("layers/backend/python/backend/settings.py", "    provider_url: str = ", "setting"),
    ("docs/settings.md", "| `PROVIDER_URL` |", QUEUE_ROW),
    ("docs/retention.md", "\nIn Redis: the replay cache", KEPT_ROW),
    ("docs/api.md", "\nMore: [analytics.md]", FIELDS),
    ("docker-compose.yml", "  worker:\n    <<: *spillway\n", "compose"),
    (
        "docker-compose.yml",
        "    healthcheck:\n      <<: *check\n      test:\n        - CMD\n",
        DEPENDS,
    ),
    ("docker-compose.override.yml", "  worker: *development\n", "  orders: *development\n"),
    ("tests/contract/operations.py", '    "POST /v1/notifications": Operation(\n', "operations"),
    ("tests/contract/operations.py", "import payments.schema\n", "import orders.schema\n"),
)


def add(parser: argparse.ArgumentParser) -> None:
    """Give the command its arguments."""
    parser.add_argument("name", help="a plural in small letters, such as orders")


def run(options: argparse.Namespace) -> int:
    """Write all, or nothing where something of it cannot be written."""
    root = options.template.resolve().parent
    if not (root / "functions" / "api").is_dir() or not (TEXTS / "app.txt").is_file():
        raise BadInput(f"{root} is no checkout of this backend; `{PROGRAM} new-domain` needs one")
    _check_name(options.name, root)
    written = {root / path: text for path, text in _texts(root, options.name)}
    for path, text in written.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    _finish(root, [str(path) for path in written if path.suffix == ".py"])
    for path in (*written, *(root / each for each in DERIVED)):
        sys.stdout.write(f"wrote {path.relative_to(root)}\n")
    sys.stdout.write(
        f"\n`make check` and `make test ONLY=tests/integration/{options.name}` try it\n"
    )
    return 0


def _check_name(name: str, root: Path) -> None:
    if not NAME.fullmatch(name):
        raise BadInput(f"{name!r} is no name of a domain: give a plural such as orders")
    is_module = name in sys.stdlib_module_names or find_spec(name) is not None
    if is_module or keyword.iskeyword(name) or (root / "functions" / name).exists():
        raise BadInput(f"{name} is a domain or a module already; choose another name")
    template = (root / "template.yaml").read_text()
    if f"  {name.capitalize()}Queue:\n" in template or f"/v1/{name}" in template:
        raise BadInput(f"the template has a queue or a route {name} already; choose another name")


def _texts(root: Path, name: str) -> Iterator[tuple[str, str]]:
    """Yield each file to write with its whole text. Raises BadInput, before any is written."""
    for path, source in NEW_FILES.items():
        yield _named(path, name), _named(_text(source), name)
    changed: dict[str, str] = {}
    for path, mark, source in ENTRIES:
        text = changed.get(path) or (root / path).read_text(encoding="utf-8")
        if text.count(mark) != 1:
            line = mark.strip().partition("\n")[0]
            raise BadInput(f"{path} has not one place before {line!r}; nothing was written")
        entry = _named(source if source.endswith("\n") else _text(source), name)
        changed[path] = text.replace(mark, entry + mark)
    for path, text in changed.items():
        yield path, text


def _text(source: str) -> str:
    return (TEXTS / f"{source}.txt").read_text(encoding="utf-8")


def _named(text: str, name: str) -> str:
    """Return a text about orders as one about `name`."""
    one = re.sub(r"ies$", "y", name) if name.endswith("ies") else name.removesuffix("s")
    words = {"ORDERS": name.upper(), "Orders": name.capitalize(), "orders": name}
    words |= {"Order": one.capitalize(), "order": one}
    return WORDS.sub(lambda word: words[word[0]], text)


def _finish(root: Path, sources: Sequence[str]) -> None:
    """Have what is written in its format, and described, by the tools that `make check` runs."""
    folders = (root, root / "functions", root / "layers" / "backend" / "python")
    for arguments in (
        ("ruff", "check", "--quiet", "--fix", "--select", "I", *sources),
        ("ruff", "format", "--quiet", *sources),
        ("tests.contract.openapi",),
    ):
        ended = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=root,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders))},
            capture_output=True,
            text=True,
            timeout=TOOL_TIMEOUT_S,
            check=False,
        )
        if ended.returncode:
            reason = (ended.stderr.strip() or "no reason").splitlines()[-1]
            raise BadInput(f"all is written, but {arguments[0]} fails: {reason}")
