"""The parameters that `samconfig.toml`, beside a template, has for its deployment.

https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/serverless-sam-cli-config.html
"""

import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from local.template import document as documents
from local.template.model import TemplateError

FILES = ("samconfig.toml", "samconfig.yaml", "samconfig.yml")  # as SAM looks for them
DEPLOYMENT = "deploy"
COMMANDS = ("global", DEPLOYMENT, "local_start_api")  # a later one's values go before
_OLD_FORM = re.compile(r"ParameterKey=(?P<name>[^,]+),ParameterValue=(?P<value>.*)", re.DOTALL)


def overrides(template: Path, environment: str) -> dict[str, str]:
    """Return the values that an environment of the file beside a template has for its Parameters.

    There are none without a file. Names that the template does not declare are passed over, as SAM
    does. A template with Metadata for this machine gets no values of its deployment. Raises
    TemplateError where the file cannot be read, or lacks an environment other than `default`.
    """
    places = [template.resolve().parent / name for name in FILES]
    file = next(filter(Path.is_file, places), None)
    if file is None:
        return {}
    document = _read(file)
    if environment not in document:
        if environment == "default":
            return {}
        names = ", ".join(name for name, each in document.items() if isinstance(each, dict))
        raise TemplateError(file, environment, "", f"is no environment; there are: {names}")
    stack, _ = documents.read(template.resolve())
    ours = _block(_block(stack, "Metadata"), "Spillway")
    values: dict[str, str] = {}
    for command in [each for each in COMMANDS if each != DEPLOYMENT or "Provides" not in ours]:
        parameters = _block(_block(_block(document, environment), command), "parameters")
        try:
            values |= dict(_pairs(parameters.get("parameter_overrides")))
        except ValueError as error:
            place = f"{environment}.{command}.parameters"
            raise TemplateError(file, place, "parameter_overrides", str(error)) from error
    declared = _block(stack, "Parameters")
    return {name: value for name, value in values.items() if name in declared}


def _read(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text()
        document = tomllib.loads(text) if file.suffix == ".toml" else yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        sentence = f"cannot be read ({str(error).splitlines()[0]}); correct it"
        raise TemplateError(file, "", "", sentence) from error
    return document if isinstance(document, dict) else {}


def _block(block: dict[str, Any], name: str) -> dict[str, Any]:
    value = block.get(name)
    return value if isinstance(value, dict) else {}


def _pairs(parameters: Any) -> Iterator[tuple[str, str]]:
    """Yield names and values, of a text, a list of texts or a block. Raises ValueError."""
    if isinstance(parameters, Mapping):
        yield from ((str(name), str(value)) for name, value in parameters.items())
        return
    texts = parameters if isinstance(parameters, list) else [parameters] if parameters else []
    for text in texts:
        if isinstance(text, Mapping):
            yield from _pairs(text)
            continue
        for word in shlex.split(str(text)):
            old = _OLD_FORM.fullmatch(word)
            name, equals, value = word.partition("=")
            if not equals:
                raise ValueError(f"{word!r} is no KEY=VALUE")
            yield (old["name"], old["value"]) if old else (name, value)
