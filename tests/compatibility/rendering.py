"""The rendering of a cookiecutter template with its defaults, as `sam init` renders it."""

import json
from pathlib import Path
from typing import Any

import jinja2

NAME = "project"
_MARK = "cookiecutter"
_FOLDER = "*cookiecutter.project_name*"


def render(source: Path, target: Path) -> None:
    """Write the files of a template, without what its hooks would do."""
    values = _defaults(json.loads((source / "cookiecutter.json").read_text()))
    (root,) = source.glob(_FOLDER)
    for path in sorted(root.rglob("*")):
        name = _rendered(str(path.relative_to(root)), values)
        if path.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes(_content(path, values))


def _defaults(questions: dict[str, Any]) -> dict[str, Any]:
    """Return what somebody gets who answers every question with Enter."""
    answers: dict[str, Any] = {}
    for name, default in questions.items():
        first = default[0] if isinstance(default, list) and default else default
        answers[name] = first
    answers["project_name"] = NAME
    answers["architectures"] = {"value": "x86_64"}
    return {
        name: _rendered(value, answers) if isinstance(value, str) else value
        for name, value in answers.items()
    }


def _content(path: Path, values: dict[str, Any]) -> bytes:
    content = path.read_bytes()
    return _rendered(content.decode(), values).encode() if _MARK.encode() in content else content


def _rendered(text: str, values: dict[str, Any]) -> str:
    # `sam init` renders with its own functions beside cookiecutter's values; none is used here.
    template = jinja2.Environment(autoescape=False, keep_trailing_newline=True).from_string(text)
    return template.render({_MARK: values})
