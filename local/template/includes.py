"""The files that a template brings in with AWS::Include."""

import re
from pathlib import Path
from typing import Any

_FILE = re.compile(r"[\w.-]+\.(?:ya?ml|json)$")


def included_file(folder: Path, written: Any, location: object) -> Path | None:
    """Return the file that a Location means, None where only AWS has it.

    `location` is what is `written` in the template, resolved. What a deployment copies to S3 mostly
    lies beside the template: the file of that name there is taken.
    """
    if isinstance(location, str) and not location.startswith("s3://"):
        return (folder / location).resolve()
    names = [match[0] for text in _texts(written) if (match := _FILE.search(text))]
    paths = [folder / name for name in names[-1:]]
    return next(filter(Path.is_file, paths), None)


def _texts(value: Any) -> list[str]:
    """Return the texts that stand in a value, in order."""
    if isinstance(value, dict):
        return [text for each in value.values() for text in _texts(each)]
    if isinstance(value, list):
        return [text for each in value for text in _texts(each)]
    return [value] if isinstance(value, str) else []
