"""Mapping templates, as API Gateway's own documentation uses them."""

from typing import Any

import pytest

from local.gateway import mapping


def event() -> dict[str, Any]:
    return {
        "headers": {"X-A": "a"},
        "queryStringParameters": {"q": "1"},
        "requestContext": {"stage": "prod"},
    }


@pytest.mark.row("1.40")
@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("$input.path('$.name').toUpperCase()", "ADA"),
        ("#if($input.path('$.name').equals('ada'))yes#end", "yes"),
        ("#if($input.path('$.name').isEmpty())no#{else}yes#end", "yes"),
        ("$input.path('$.name').indexOf('z')", "-1"),
        ("#foreach($e in $input.path('$.pets').entrySet())$e.key:$e.value;#end", "cat:1;dog:2;"),
        ("$input.path('$.pets').containsKey('cat') $input.path('$.pets').size()", "true 2"),
        ("$input.path('$').toString()", "{name=ada, pets={cat=1, dog=2}}"),
        ("#set($all = $input.path('$'))#set($all.name = 'bob')$input.json('$.name')", '"bob"'),
        ("$context.stage", "prod"),
    ],
)
def test_a_value_has_the_methods_that_it_has_in_java(template, text):
    body = '{"name": "ada", "pets": {"cat": 1, "dog": 2}}'

    assert mapping.rendered(template, body, event()) == text


@pytest.mark.row("1.40")
def test_a_template_overrides_what_is_sent_and_answered():
    request = event()
    mapping.rendered(
        "#set($context.requestOverride.header.X-B = 'b')"
        "#set($context.requestOverride.path.id = 7)"
        "#set($context.responseOverride.status = 418)",
        "",
        request,
    )

    assert request["requestOverride"] == {
        "header": {"X-B": "b"},
        "path": {"id": 7},
        **{"querystring": {}},
    }
    assert request["responseOverride"]["status"] == 418


def test_a_body_that_is_nested_deeper_than_pythons_stack_has_no_values():
    deep = "[" * 100_000

    assert mapping.rendered("$input.path('$.a')-", deep, event()) == "-"
