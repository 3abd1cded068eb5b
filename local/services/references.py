"""The values of dynamic references, `{{resolve:SERVICE:...}}`, as the local services have them."""

import json
import logging
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.services.making import client
from local.template.stand_ins import parameter_name

log = logging.getLogger(__name__)


def value_of(reference: str, endpoint: str) -> str | None:
    """Return what a reference stands for, None where nobody knows it."""
    _, service, *parts = reference.strip("{}").split(":")
    try:
        if service in ("ssm", "ssm-secure"):
            return _parameter(parameter_name(reference), endpoint)
        if service == "secretsmanager":
            return _secret(parts, endpoint)
    except (BotoCoreError, ClientError, ValueError, KeyError) as error:
        log.warning("%s has no value here: %s", reference, error)
    return None


def _parameter(name: str, endpoint: str) -> str:
    answer = client("ssm", endpoint).get_parameter(Name=name, WithDecryption=True)
    return str(answer["Parameter"]["Value"])


def _secret(parts: list[str], endpoint: str) -> str:
    """Read `ID[:SecretString[:KEY[:STAGE[:VERSION]]]]`, whose id may be an ARN of seven parts."""
    size = 7 if parts[0] == "arn" else 1
    secret, rest = ":".join(parts[:size]), [*parts[size:], "", "", "", ""]
    _, key, stage, version = rest[:4]
    question: dict[str, Any] = {"SecretId": secret}
    question |= {"VersionStage": stage} if stage else {}
    question |= {"VersionId": version} if version else {}
    text = str(client("secretsmanager", endpoint).get_secret_value(**question)["SecretString"])
    return str(json.loads(text)[key]) if key else text
