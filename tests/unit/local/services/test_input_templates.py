"""Input templates of pipes."""

import pytest

from local.services.input_templates import filled

ENTRY = {"body": {"id": 'a"b', "n": 3, "list": [{"x": 1}]}, "messageId": "m"}


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ('{"id": "<$.body.id>", "n": <$.body.n>}', {"id": 'a"b', "n": 3}),
        ('{"id": <$.body.id>}', {"id": 'a"b'}),
        ('{"whole": "<$.body.list>"}', {"whole": [{"x": 1}]}),
        ('{"text": "n is <$.body.n> of <$.body.id>"}', {"text": 'n is 3 of a"b'}),
        ('{"text": "a \\" <$.body.id>."}', {"text": 'a " a"b.'}),
        ('{"x": <$.body.list[0].x>, "y": <$.body.none>}', {"x": 1, "y": None}),
        ('{"pipe": "<aws.pipes.pipe-name>"}', {"pipe": "P"}),
        ("<$.messageId> came", "m came"),
        ('"<$.messageId>"', "m"),
    ],
)
def test_paths_stand_for_values(template, value):
    assert filled(template, ENTRY, "P") == value
