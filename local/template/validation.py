"""The validation of requests to a REST API: required parameters, and models of bodies, which are
JSON schemas of draft 4.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-method-request-validation.html
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from local.template.api_records import Validation
from local.template.reader import Properties

VALIDATOR = "x-amazon-apigateway-request-validator"
VALIDATORS = "x-amazon-apigateway-request-validators"
DRAFT = "http://json-schema.org/draft-04/schema#"
JSON = "application/json"
# Any other, such as the int64 of OpenAPI, is text for people.
_FORMATS = ("date-time", "email", "hostname", "ipv4", "ipv6", "uri")
_PLACES = {"query": "querystring", "header": "header", "path": "path"}
_PARAMETER = re.compile(r"method\.request\.(querystring|header|path)\..+")
# A model, as definitions refer to it or as the address that it has on AWS, and what is inside it.
_MODEL = re.compile(r"(?:^|/(?:schemas|definitions|models)/)([\w-]+)((?:/[\w~-]+)*)$")
_IS_ON = (True, "true")

Definition = Mapping[str, Any]


def read_validation(event: Properties, models: Mapping[str, Any]) -> Validation | None:
    """Return what an event of type Api has validated, by the models of its API."""
    parameters = [
        name
        for each in event.sequence("RequestParameters")
        for name, settings in (each.items() if isinstance(each, dict) else [(str(each), {})])
        if (settings or {}).get("Required") in _IS_ON
    ]
    for name in parameters:
        if not _PARAMETER.fullmatch(name):
            sentence = f"{name} is no method.request.querystring.NAME, .header. or .path.; correct"
            raise event.error("RequestParameters", f"{sentence} it")
    model = event.block("RequestModel")
    name = model.text("Model", "")
    validates_body = model.flag("ValidateBody", False)
    validates_parameters = model.flag("ValidateParameters", False)
    model.flag("Required", False)
    model.finish()
    if validates_body and name not in models:
        raise model.error("Model", f"{name!r} is no model of the API; add it to its Models")
    schemas = {JSON: _checked(model, models[name], models)} if validates_body else {}
    return _validation(parameters if validates_parameters else (), schemas)


def of_operation(
    block: Properties, definition: Definition, path: str, method: str
) -> Validation | None:
    """Return what a method of an OpenAPI definition has validated; `block` is the method's."""
    item = definition["paths"][path]
    operation = item[method]
    name = operation.get(VALIDATOR, definition.get(VALIDATOR))
    block.take(VALIDATOR, None)
    if name is None:
        return None
    if VALIDATORS not in definition:  # which AWS takes, too
        block.warn(VALIDATOR, f"there are no {VALIDATORS}; nothing is validated")
        return None
    rules = (definition[VALIDATORS] or {}).get(name)
    if not isinstance(rules, dict):
        raise block.error(VALIDATOR, f"{name!r} is none of {VALIDATORS}; add it there")
    entries = [*(item.get("parameters") or ()), *(operation.get("parameters") or ())]
    parameters = [_of_reference(each, definition) for each in entries]
    names = [
        f"method.request.{_PLACES[each['in']]}.{each['name']}"
        for each in parameters
        if each.get("required") in _IS_ON and each.get("in") in _PLACES
    ]
    models = _models(definition)
    schemas = {
        kind: _checked(block, schema, models)
        for kind, schema in _bodies(operation, definition, parameters)
        if rules.get("validateRequestBody") in _IS_ON
    }
    return _validation(names if rules.get("validateRequestParameters") in _IS_ON else (), schemas)


def _validation(parameters: Iterable[str], schemas: Mapping[str, Any]) -> Validation | None:
    validation = Validation(parameters=tuple(dict.fromkeys(parameters)), schemas=schemas)
    return validation if validation.parameters or validation.schemas else None


def _bodies(
    operation: Definition, definition: Definition, parameters: list[Any]
) -> Iterable[tuple[str, Any]]:
    """Yield the schema of each content type, of OpenAPI 3 or 2."""
    body = _of_reference(operation.get("requestBody") or {}, definition)
    for kind, content in (body.get("content") or {}).items():
        if "schema" in (content or {}):
            yield kind.lower(), content["schema"]
    for each in parameters:
        if each.get("in") == "body" and "schema" in each:
            for kind in operation.get("consumes") or definition.get("consumes") or [JSON]:
                yield kind.lower(), each["schema"]


def _models(definition: Definition) -> dict[str, Any]:
    components = definition.get("components") or {}
    return {**(definition.get("definitions") or {}), **(components.get("schemas") or {})}


def _of_reference(value: Any, definition: Definition) -> Any:
    """Return what a reference such as #/components/parameters/NAME stands for."""
    reference = value.get("$ref") if isinstance(value, dict) else None
    if not isinstance(reference, str):
        return value if isinstance(value, dict) else {}
    target: Any = definition
    for part in reference.removeprefix("#/").split("/"):
        target = target.get(part) if isinstance(target, dict) else None
    return target if isinstance(target, dict) else {}


def _checked(block: Properties, schema: Any, models: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema that stands by itself. Raises TemplateError where it is none."""
    import fastjsonschema  # noqa: PLC0415 - few APIs validate

    try:
        whole = {
            **_inner(schema, models),
            "definitions": {name: _inner(each, models) for name, each in models.items()},
            "$schema": DRAFT,
        }
        compiled(whole)
    except (fastjsonschema.JsonSchemaDefinitionException, ValueError, TypeError) as error:
        raise block.error("", f"a model is no JSON schema ({error}); correct it") from error
    except (KeyError, RecursionError) as error:
        sentence = "a model refers to what is not there, or to itself for ever; correct it"
        raise block.error("", sentence) from error
    return whole


def compiled(schema: dict[str, Any]) -> Any:
    """Return the function that raises JsonSchemaValueException for what does not fit a schema."""
    import fastjsonschema  # noqa: PLC0415 - few APIs validate

    return fastjsonschema.compile(schema, handlers=dict.fromkeys(("http", "https"), _nowhere))


def _nowhere(address: str) -> Any:
    raise ValueError(f"{address} is not fetched; refer to a model of the API")


def _inner(schema: Any, models: Mapping[str, Any]) -> Any:
    """Return a schema whose references to models are those to its own definitions."""
    if isinstance(schema, str):
        schema = json.loads(schema)
    return _rewritten(schema, models)


def _rewritten(value: Any, models: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        return [_rewritten(each, models) for each in value]
    if not isinstance(value, dict):
        return value
    whole = {name: _rewritten(each, models) for name, each in value.items()}
    reference = value.get("$ref")
    if isinstance(reference, str) and (model := _MODEL.search(reference)) and model[1] in models:
        if model[2]:
            return _rewritten(_part(models[model[1]], model[2]), models)
        whole["$ref"] = f"#/definitions/{model[1]}"
    if isinstance(value.get("format"), str) and value["format"] not in _FORMATS:
        del whole["format"]
    if isinstance(value.get("$schema"), str):
        del whole["$schema"]
    return whole


def _part(schema: Any, path: str) -> Any:
    """Return what is in a schema under a path such as /properties/NAME."""
    for name in path.removeprefix("/").split("/"):
        schema = schema[name]
    return schema
