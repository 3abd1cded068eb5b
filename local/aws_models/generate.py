"""`python -m local.aws_models.generate` writes the tables anew from the installed botocore.

Importing botocore takes 60 ms at each start, reading these tables less than one.
"""

import json
from pathlib import Path
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape

FOLDER = Path(__file__).parent


def tables() -> dict[str, Any]:
    """Return the content of each table, by its file's name."""
    return {"sqs.json": _actions(_model("sqs")), "lambda.json": _routes(_model("lambda"))}


def _model(service: str) -> ServiceModel:
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


def _actions(model: ServiceModel) -> dict[str, Any]:
    """Return the shape of the parameters of each action."""
    return {name: _shape(model.operation_model(name).input_shape) for name in model.operation_names}


def _shape(shape: Any) -> dict[str, Any]:
    if shape.type_name == "structure":
        members = {name: _shape(member) for name, member in shape.members.items()}
        return {"type": "structure", "members": members, "required": shape.required_members}
    if shape.type_name == "list":
        return {"type": "list", "member": _shape(shape.member)}
    if shape.type_name == "map":
        return {"type": "map", "key": _shape(shape.key), "value": _shape(shape.value)}
    return {"type": shape.type_name, **({"enum": shape.enum} if _enum(shape) else {})}


def _enum(shape: Shape) -> list[str]:
    names: list[str] = getattr(shape, "enum", [])
    return names


def _routes(model: ServiceModel) -> dict[str, Any]:
    """Return method and path of each operation, and where Invoke's parameters stand."""
    operations = {name: model.operation_model(name).http for name in model.operation_names}
    invoke: Any = model.operation_model("Invoke").input_shape
    return {
        "operations": {
            name: [http["method"], http["requestUri"].partition("?")[0]]
            for name, http in operations.items()
        },
        "invoke": {
            name: [member.serialization["location"], member.serialization["name"]]
            for name, member in invoke.members.items()
            if "location" in member.serialization
        },
        "patterns": {
            name: [member.metadata["pattern"], member.metadata["max"]]
            for name, member in invoke.members.items()
            if name in ("FunctionName", "Qualifier")
        },
    }


def main() -> None:
    for name, table in tables().items():
        (FOLDER / name).write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
