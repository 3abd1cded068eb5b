"""The tables of AWS's actions against botocore, and against the code that reads the parameters."""

import json
from pathlib import Path
from typing import Any

import pytest

from local.aws_models import generate

SOURCES = "".join(path.read_text() for path in Path("local/sqs").glob("*.py"))
EMULATED = {
    *("CancelMessageMoveTask", "ChangeMessageVisibility", "ChangeMessageVisibilityBatch"),
    *("DeleteMessage", "DeleteMessageBatch", "GetQueueAttributes", "GetQueueUrl"),
    *("ListDeadLetterSourceQueues", "ListMessageMoveTasks", "ListQueues", "PurgeQueue"),
    *("ReceiveMessage", "SendMessage", "SendMessageBatch", "StartMessageMoveTask"),
}


def names(shape: dict[str, Any]) -> set[str]:
    """Return the names of all members of a shape, at any depth."""
    below = [
        *shape.get("members", {}).values(),
        *(shape[k] for k in ("member", "value") if k in shape),
    ]
    return set(shape.get("members", {})).union(*(names(each) for each in below))


@pytest.mark.parametrize("name", ["sqs.json", "lambda.json"])
def test_the_tables_are_what_the_installed_botocore_says(name: str):
    assert json.loads((generate.FOLDER / name).read_text()) == generate.tables()[name]


@pytest.mark.parametrize("action", sorted(EMULATED))
def test_each_parameter_of_an_emulated_action_is_read_or_refused_by_name(action: str):
    shape = generate.tables()["sqs.json"][action]
    passed_over = {name for name in names(shape) if f'"{name}"' not in SOURCES}

    assert passed_over == set()
