"""The command that runs public projects as they are and writes docs/compatibility.md.

`projects.toml` says which; `results.json` keeps what came of each, so that a run of some leaves the
others' rows. A repository that is not in the folder of checkouts is cloned there.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_spillway.aws import Aws
from tests.compatibility.driving import REASON_MAX, Differs, drive
from tests.compatibility.rendering import render
from tests.conftest import free_port

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "compatibility.md"
UP_MAX_S = 600.0  # with the requirements of a dozen functions
WORDS = {
    "answers": "answer",
    "starts": "start",
    "understood": "are understood without having been started",
    "refused": "are refused",
    "fails": "fail",
}
TABLE = ("| project | | |", "|---|---|---|")

Project = dict[str, Any]
PORTS = (
    *("port", "console-port", "invoke-port", "valkey-port", "services-port", "otlp-port"),
    *("smtp-port", "mailbox-port"),
)


def main() -> int:
    """Run the projects whose name has the given text, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m tests.compatibility", description=__doc__)
    parser.add_argument("--checkouts", type=Path, help="folder of OWNER+NAME (default: clones)")
    parser.add_argument("--only", default="", metavar="TEXT", help="run those that have it")
    parser.add_argument("--write-only", action="store_true", help="run none, write the page")
    options = parser.parse_args()
    catalogue = tomllib.loads((HERE / "projects.toml").read_text())
    results_path = HERE / "results.json"
    results: dict[str, list[str]] = json.loads(results_path.read_text())
    with tempfile.TemporaryDirectory() as clones:
        checkouts = options.checkouts or Path(clones)
        for group, project in _projects(catalogue):
            key = _key(group, project)
            if options.write_only or options.only not in key or not project.get("runs", True):
                continue
            results[key] = list(_result(checkouts / _folder(group), group, project))
            sys.stdout.write(f"{key}: {' '.join(results[key])}\n")
            results_path.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    PAGE.write_text(_page(catalogue, results))
    return 0


def _projects(catalogue: dict[str, Any]) -> Iterator[tuple[Project, Project]]:
    for group in catalogue["group"]:
        for project in group["project"]:
            yield group, project


def _key(group: Project, project: Project) -> str:
    return f"{group['repository']} {project['folder']}"


def _folder(group: Project) -> str:
    return str(group["repository"]).replace("/", "+")


def _result(checkout: Path, group: Project, project: Project) -> tuple[str, str]:
    """Return what came of a project: a word, and the reason where it is refused or fails."""
    _clone(checkout, group)
    with tempfile.TemporaryDirectory() as folder:
        template = _template(checkout, project, Path(folder))
        if not template.is_file():
            return "-", "the template is not there"
        return _outcome(template, project, Path(folder) / "state")


def _template(checkout: Path, project: Project, rendered: Path) -> Path:
    template: Path = checkout / project["folder"]
    if (template / "cookiecutter.json").is_file():
        render(template, rendered / "project")
        template = rendered / "project"
    return template / "template.yaml" if template.is_dir() else template


def _outcome(template: Path, project: Project, state: Path) -> tuple[str, str]:
    """Start a project, drive it and stop it; return a word and the reason."""
    ports = {name: free_port() for name in PORTS}
    options = [f"--{name}={port}" for name, port in ports.items()]
    options += ["--state", str(state), "--template", str(template), *project.get("options", ())]
    try:
        up = _spillway("up", "--install", *options, folder=template.parent)
        if up.returncode:
            return _refused(up.stderr)
        mailbox = f"http://127.0.0.1:{ports['mailbox-port']}"
        drive(Aws(state, are_services_own=True), mailbox, project.get("drive", []))
        return ("answers" if "drive" in project else "starts"), ""
    except Differs as error:
        return "fails", str(error)
    except subprocess.TimeoutExpired:
        return "fails", f"is not ready within {UP_MAX_S:.0f} s"
    finally:
        _spillway("down", "--state", str(state), folder=template.parent)


def _spillway(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "local", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=UP_MAX_S,
        check=False,
    )


def _clone(checkout: Path, group: Project) -> None:
    if checkout.exists():
        return
    url = f"https://github.com/{group['repository']}"
    subprocess.run(["git", "clone", "--quiet", url, str(checkout)], check=True)
    subprocess.run(["git", "-C", str(checkout), "checkout", "--quiet", group["commit"]], check=True)


def _refused(words: str) -> tuple[str, str]:
    lines = [line for line in words.splitlines() if line.strip()] or ["no reason"]
    failures = [line for line in lines if "cannot be imported" in line]
    sentence = (failures or lines)[-1].partition(" (--allow-unsupported")[0]
    return ("fails" if failures else "refused"), sentence.rpartition("yaml:")[2][:REASON_MAX]


def _page(catalogue: dict[str, Any], results: dict[str, list[str]]) -> str:
    """Return the page: a table for each repository of several projects, and one of the others."""
    parts, others = [catalogue["head"].strip(), _counts(catalogue, results)], list(TABLE)
    for group in catalogue["group"]:
        name = f"{group['repository']} ({group['commit'][:7]})"
        if len(group["project"]) == 1:
            others.append(_row(group, group["project"][0], results, f"{name} "))
            continue
        rows = [_row(group, project, results, "") for project in group["project"]]
        parts.append("\n".join([f"## {name}", "", *_about(group), *TABLE, *rows]))
    return "\n\n".join([*parts, "\n".join(["## Others", "", *others])]) + "\n"


def _counts(catalogue: dict[str, Any], results: dict[str, list[str]]) -> str:
    """Return how many projects came to what; a row may stand for several."""
    counts: Counter[str] = Counter()
    for group, project in _projects(catalogue):
        word = results.get(_key(group, project), ["not run"])[0]
        counts[word] += len(project["folder"].split(", "))
    total = sum(counts.values())
    words = ", ".join(f"{counts[word]} {meaning}" for word, meaning in WORDS.items())
    return f"Of {total} projects {words}."


def _row(group: Project, project: Project, results: dict[str, list[str]], before: str) -> str:
    word, reason = results.get(_key(group, project), ["not run", ""])
    flags = " ".join(project.get("options", ()))
    notes = [f"`{flags}`" if flags else "", project.get("note", ""), reason]
    return f"| {before}{project['folder']} | {word} | {'; '.join(filter(None, notes))} |"


def _about(group: Project) -> list[str]:
    return [group["about"].strip(), ""] if "about" in group else []


if __name__ == "__main__":
    sys.exit(main())
