"""SQS's query protocol, which SDKs spoke before its JSON protocol: a form in, XML out.

A form becomes the JSON that the actions take, their answers become XML.
"""

import re
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

from local.aws_models.parameters import Shape
from local.http.request import Request
from local.sqs.messages import Json
from local.sqs.refusals import Refused

TYPE = "application/x-www-form-urlencoded"
FIELDS_MAX = 1000  # ten messages with ten attributes each are 440
_DEPTH_MAX = 8  # parts of a name: Entry.1.MessageAttribute.1.Value.StringListValue.1
_HEAD = '<?xml version="1.0"?>'
_NAMESPACE = "http://queue.amazonaws.com/doc/2012-11-05/"
# Those that every call has, or that sign it.
_OF_ALL = frozenset(
    [
        "Action",
        "Version",
        "AWSAccessKeyId",
        "Signature",
        "SignatureMethod",
        "SignatureVersion",
        "Timestamp",
        "Expires",
        "SecurityToken",
    ]
)
_NUMBER = re.compile("-?[0-9]{1,18}")
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#xD;"})

Tree = dict[str, Any]  # a part of a field's name -> the Tree below it, or the field's text


def read(request: Request) -> tuple[str, Tree]:
    """Return the action and the fields of a call. Raises Refused."""
    try:
        text = request.body.decode("ascii")
        pairs = parse_qsl(text, True, errors="strict", max_num_fields=FIELDS_MAX)
    except ValueError as error:  # also of text that is no UTF-8
        raise Refused("MalformedQueryString", f"The body is no form: {error}") from error
    fields: Tree = {}
    for name, value in pairs:
        _put(fields, name, value)
    path = request.target.partition("?")[0]
    if path.count("/") == 2 and "QueueUrl" not in fields:  # SDKs that post to the queue itself
        fields["QueueUrl"] = path
    action = fields.get("Action")
    if not isinstance(action, str) or not action:
        raise Refused("MissingAction", "The request must contain the parameter Action.")
    return action, {name: each for name, each in fields.items() if name not in _OF_ALL}


def _put(fields: Tree, name: str, value: str) -> None:
    *above, last = name.split(".", _DEPTH_MAX)
    node = fields
    for part in above:
        node = node.setdefault(part, {})
        if not isinstance(node, dict):
            raise Refused("MalformedQueryString", f"{name} lies below a field that has a value.")
    if last in node:
        raise Refused("MalformedQueryString", f"{name} is there twice.")
    node[last] = value


def as_json(fields: Any, shape: Shape, action: str) -> Any:
    """Return what the fields mean as a value of the shape; what is none stays, to be refused."""
    kind = shape["type"]
    if kind == "structure" and isinstance(fields, dict):
        names = {_wire_name(name, each, action): name for name, each in shape["members"].items()}
        by_name = {names.get(wire, wire): value for wire, value in fields.items()}
        members = shape["members"]
        return {
            name: as_json(value, members[name], action) if name in members else value
            for name, value in by_name.items()
        }
    if kind == "list":
        return [as_json(each, shape["member"], action) for each in _numbered(fields)]
    if kind == "map":
        entries = [each if isinstance(each, dict) else {} for each in _numbered(fields)]
        return {
            str(each.get("Name", "")): as_json(each.get("Value", {}), shape["value"], action)
            for each in entries
        }
    return _scalar(fields, kind)


def _wire_name(name: str, shape: Shape, action: str) -> str:
    """Return how a form calls a parameter: a list by the name of its entries."""
    if shape["type"] not in ("list", "map"):
        return name
    return f"{action}RequestEntry" if name == "Entries" else name.removesuffix("s")


def _numbered(fields: Any) -> list[Any]:
    """Return the entries of a list in the order of their numbers; an empty text is none."""
    if fields == "":
        return []
    if not isinstance(fields, dict) or not all(map(_NUMBER.fullmatch, fields)):
        raise Refused("MalformedQueryString", "The entries of a list have the numbers 1, 2, 3.")
    return [fields[number] for number in sorted(fields, key=int)]


def _scalar(text: Any, kind: str) -> Any:
    if kind in ("integer", "long") and isinstance(text, str) and _NUMBER.fullmatch(text):
        return int(text)
    if kind == "boolean" and text in ("true", "false"):
        return text == "true"
    return text


def answer(action: str, result: Json) -> bytes:
    """Return the XML of an action's answer."""
    content = "".join(_elements(action, result))
    wrapped = f"<{action}Result>{content}</{action}Result>" if _has_result(action) else ""
    metadata = f"<ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId></ResponseMetadata>"
    whole = f'<{action}Response xmlns="{_NAMESPACE}">{wrapped}{metadata}</{action}Response>'
    return (_HEAD + whole).encode()


def refusal(refused: Refused) -> bytes:
    """Return the XML of an error."""
    about = {"Type": refused.fault(), "Code": refused.code, "Message": str(refused), "Detail": ""}
    content = "".join(f"<{name}>{_text(value)}</{name}>" for name, value in about.items())
    request_id = f"<RequestId>{uuid.uuid4()}</RequestId>"
    error = f'<ErrorResponse xmlns="{_NAMESPACE}"><Error>{content}</Error>{request_id}'
    return f"{_HEAD}{error}</ErrorResponse>".encode()


def _has_result(action: str) -> bool:
    return action not in ("ChangeMessageVisibility", "DeleteMessage", "PurgeQueue")


def _elements(action: str, value: Json) -> Iterator[str]:
    for name, each in value.items():
        if name in ("Attributes", "MessageAttributes"):
            element = name.removesuffix("s")
            for key, entry in each.items():
                pair = "".join(_elements(action, {"Name": key, "Value": entry}))
                yield f"<{element}>{pair}</{element}>"
        else:
            element = _element(action, name) if isinstance(each, list) else name
            for entry in each if isinstance(each, list) else [each]:
                is_structure = isinstance(entry, dict)
                inner = "".join(_elements(action, entry)) if is_structure else _text(entry)
                yield f"<{element}>{inner}</{element}>"


def _element(action: str, name: str) -> str:
    """Return the name of an entry in a list of an answer."""
    if name in ("Successful", "Results"):
        return f"{action}ResultEntry"
    if name == "Failed":
        return "BatchResultErrorEntry"
    return {"queueUrls": "QueueUrl"}.get(name, name.removesuffix("s"))


def _text(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return _ILLEGAL.sub("\ufffd", text).translate(_ESCAPES)
