"""The stand-in for orjson on a Python that the tool's is not made for."""

import orjson
import pytest

from local.runtime import standard_json

MESSAGE = {
    "id": "request-1",
    "duration_ms": 1.25,
    "stdout": 'line "1"\n\u00fc\U0001f600',
    "error": {"errorType": "ValueError", "stackTrace": []},
    "nothing": None,
}


def test_a_message_is_read_by_orjson_as_it_was_written():
    written = standard_json.dumps(MESSAGE)

    assert orjson.loads(written) == MESSAGE
    assert standard_json.loads(orjson.dumps(MESSAGE)) == MESSAGE


def test_a_fragment_stands_in_the_message_as_it_is():
    payload = b'{"a":1.0}'

    written = standard_json.dumps({"id": 1, "result": standard_json.Fragment(payload)})

    assert written == orjson.dumps({"id": 1, "result": orjson.Fragment(payload)})


@pytest.mark.parametrize("payload", [b"", b"{", b"NaN", b"\xff", b"[" * 200_000])
def test_what_is_no_json_is_a_value_error(payload: bytes):
    with pytest.raises(standard_json.JSONDecodeError):
        standard_json.loads(payload)
