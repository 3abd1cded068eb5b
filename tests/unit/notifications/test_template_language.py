"""The language of tenants' templates: what it fills in, and that nothing in it runs on or out."""

from time import process_time

import msgspec
import pytest

from backend.errors import InvalidRequest
from notifications.templates import variables
from notifications.templates.compiled import Ready
from notifications.templates.language import Part
from notifications.templates.own import TemplateRequest
from notifications.templates.variables import Declarations

DECLARED = {
    "name": {"type": "string"},
    "vip": {"type": "boolean", "default": False},
    "share": {"type": "number", "default": 12.0},
    "link": {"type": "url", "required": False},
    "Buyer": {
        "type": "object",
        "required": False,
        "fields": {"firstName": {"type": "string"}, "items": {"type": "string", "default": "no"}},
    },
    "items": {
        "type": "list",
        "required": False,
        "fields": {"keys": {"type": "string"}, "amount": {"type": "integer", "default": 5}},
    },
}
KINDS = msgspec.convert(DECLARED, Declarations)
SHAPE = variables.shape_of(KINDS)
ITEMS = [{"keys": "<b>", "amount": -1250}, {"keys": "two"}]


def fill(source, part="text", length_max=1_000, **arguments):
    values = variables.values_of({"name": "Zoë & Co", **arguments}, KINDS, SHAPE)
    return Part(part, source, KINDS, length_max=length_max).fill(values)


def refusal(call, *arguments, **options):
    """Return the fault that a call raises."""
    with pytest.raises(InvalidRequest) as refused:
        call(*arguments, **options)
    return refused.value


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Hi {{ name }}, {{name|upper}}", "Hi Zoë & Co, ZOË & CO"),
        ("{% if vip %}V{% elif name == 'x' %}X{% else %}N{% endif %}", "N"),
        ("{{ vip }} {{ share }} {{ link|default('none') }}{{ link }}", "false 12 none"),
        (
            "{% for x in items %}{{ loop.index }}. {{ x.keys }} {{ x.amount|money('EUR') }}\n"
            "{% else %}nothing{% endfor %}",
            "1. <b> EUR -12.50\n2. two EUR 0.05\n",
        ),
        ("{{ items|length }}{% if items and not vip %}!{% endif %}", "2!"),
        (
            "{% raw %}{{ name }}{% endraw %}{# nothing #}{{ '<' ~ name ~ '>' }}",
            "{{ name }}<Zoë & Co>",
        ),
        ("{% if Buyer %}{{ Buyer.firstName }} {{ Buyer.items }}{% endif %}", "Ada no"),
        ("{{ 'vip' if vip else 'guest' }}\n", "guest\n"),
    ],
)
def test_a_part_is_filled_in(source, text):
    assert fill(source, items=ITEMS, Buyer={"firstName": "Ada"}) == text


def test_html_escapes_every_value_and_no_template_can_ask_otherwise():
    assert fill("<p>{{ x }}{{ name }}</p>".replace("{{ x }}", ""), "html", name="<b>\"'") == (
        "<p>&lt;b&gt;&#34;&#39;</p>"
    )
    assert refusal(fill, "{{ name|safe }}", "html").param == "html"
    assert refusal(fill, "{% autoescape false %}{{ name }}{% endautoescape %}", "html")


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__ }}",
        "{{ name.__class__ }}",
        "{{ name.upper }}",
        "{{ name['x'] }}",
        "{{ name|attr('__class__') }}",
        "{{ name|format(1) }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ 'a' * 1000000000 }}",
        "{{ 10 ** 10 ** 10 }}",
        "{{ " + "9" * 5_000 + " }}",
        "{{ lipsum() }}",
        "{{ self }}",
        "{{ loop.index }}",
        "{{ [name] }}",
        "{{ {'a': name} }}",
        "{% for x in range(1000000000) %}x{% endfor %}",
        "{% for x in name %}x{% endfor %}",
        "{% for x in items recursive %}{{ loop(items) }}{% endfor %}",
        "{% for x in items %}{{ x }}{% endfor %}",
        "{% for x in items %}{{ x.price }}{% endfor %}",
        "{% for x in items %}{% for y in items %}{% for z in items %}.{% endfor %}{% endfor %}"
        "{% endfor %}",
        "{% include 'other' %}",
        "{% extends 'other' %}",
        "{% import 'other' as x %}",
        "{% macro m() %}{{ m() }}{% endmacro %}",
        "{% block a %}{% endblock %}",
        "{% set x = name %}",
        "{% filter upper %}x{% endfilter %}",
        "{{ nmae }}",
        "{{ items }}",
        "{{ items.keys }}",
        "{{ Buyer }}",
        "{{ Buyer.lastName }}",
        "{{ Buyer|length }}",
        "{% for x in Buyer %}{% endfor %}",
        "{{ name",
        "{% if name %}",
        "{{ " + "(" * 5_000 + "1" + ")" * 5_000 + " }}",
        "{{ " + "not " * 5_000 + "name }}",
        "{{ name" + "|upper" * 5_000 + " }}",
        "{% if name %}" * 100 + "{% endif %}" * 100,
        "{% if vip %}" + "{% elif vip %}" * 3_000 + "{% endif %}",
        "{{ " + "name ~ " * 3_000 + "name }}",
        "{% raw %}" * 5_000,
        "{#" * 10_000,
        "{{" * 10_000,
    ],
    ids=lambda source: source[:40],
)
def test_what_the_language_has_not_is_refused_soon_with_a_sentence(source):
    before_s = process_time()
    error = refusal(Part, "text", source, KINDS, length_max=1_000)
    spent_s = process_time() - before_s

    assert (error.param, error.code, error.status) == ("text", "invalid_template", 422)
    assert len(error.detail) < 200
    assert "object at" not in error.detail
    assert spent_s < 1.0


def test_the_longest_run_of_a_template_is_short():
    loop = (
        "{% for x in items %}{% for y in items %}"
        "{% if x.amount > y.amount %}{% endif %}{% endfor %}{% endfor %}"
    )
    full = [{"keys": "k", "amount": 1}] * 100
    part = Part("text", loop, KINDS, length_max=1_000)
    before_s = process_time()
    part.fill(variables.values_of({"name": "n", "items": full}, KINDS, SHAPE))

    assert process_time() - before_s < 0.5


@pytest.mark.parametrize(
    "expression",
    [
        "(" + "~".join(["name"] * 440) + ")|title",
        "(" + "~".join(["name"] * 440) + ")" + "|upper|lower" * 15,
        "(" * 30 + "~".join(["name"] * 500) + ")~name" * 30,
        "name|title ~ " * 60 + "name",
        f"('{'a-' * 9_000}' ~ name)|title",
    ],
    ids=lambda expression: expression[:20],
)
def test_long_texts_count_as_often_as_filters_go_over_them(expression):
    loop = "{% for x in items %}{% if " + expression + " == name %}{% endif %}{% endfor %}"

    assert "too long" in refusal(Part, "text", loop, KINDS, length_max=1_000).detail


def test_a_loop_has_room_for_some_titles_of_the_longest_texts():
    loop = (
        "{% for x in items %}{{ x.keys|title|length }}{{ x.keys|title|upper|length }}{% endfor %}"
    )
    full = [{"keys": "a-" * 500}] * 100
    before_s = process_time()

    assert fill(loop, items=full) == "10001000" * 100
    assert process_time() - before_s < 1.0


@pytest.mark.parametrize(
    "tag",
    ["<img alt={{ name }}>", "<a\n  href = /x/{{ name }}>", "<p class='a' title={{name}} id=b>"],
)
def test_no_value_begins_an_attribute_of_its_own(tag):
    assert "attributes in quotes" in refusal(fill, tag, "html", name="x onerror=y").detail


@pytest.mark.parametrize(
    "source",
    [
        "<a href=\"/x?name={{ name }}\" title='{{ name }}'>{{ name }} = {{ name }}</a>",
        "<p {% if name == 'x' %}class=a{% endif %}>a < b = {{ name }}</p>",
        "<a" + "=" * 9_000 + " " * 9_000 + "'<a\"" * 9_000,
    ],
    ids=lambda source: source[:9],
)
def test_values_in_quotes_and_between_tags_are_filled_in_soon(source):
    before_s = process_time()

    assert "onerror" not in fill(source, "html", length_max=90_000)
    assert process_time() - before_s < 0.5


@pytest.mark.parametrize("part", ["subject", "text", "html"])
def test_no_part_has_halves_of_characters_which_no_mail_can_have(part):
    assert "control characters" in refusal(fill, r"{{ '\ud800' }}", part).detail


def test_a_part_that_grows_too_long_is_refused_before_it_has_grown():
    source = "{% for x in items %}{{ x.keys }}{% endfor %}"
    full = [{"keys": "k" * 1_000}] * 100

    assert "over 20,000 characters" in refusal(fill, source, length_max=20_000, items=full).detail


@pytest.mark.parametrize("source", ["{{ '\\n' }}Bcc: eve@example.com", "a\nb", "a\rb", "{{'\\r'}}"])
def test_no_subject_has_a_second_line(source):
    assert refusal(fill, source, "subject").code == "invalid_template"


@pytest.mark.parametrize(
    ("arguments", "param"),
    [
        ({"name": "two\nlines"}, "variables.name"),
        ({"name": "see https://evil.example/"}, "variables.name"),
        ({"name": "https://evil.example/"}, "variables.name"),
        ({"link": "javascript:alert(1)"}, "variables.link"),
        ({"link": 'https://a.example/"onclick="x'}, "variables.link"),
        ({"link": "http://a.example"}, "variables.link"),
        ({"vip": "yes"}, "variables.vip"),
        ({"items": [{"keys": "www.evil.example"}]}, "variables.items"),
        ({"items": [{"keys": "k"}] * 101}, "variables.items"),
        ({"items": [{"other": "k"}]}, "variables.items"),
        ({"Buyer": {"firstName": "www.evil.example"}}, "variables.Buyer.firstName"),
        ({"Buyer": {}}, "variables.Buyer.firstName"),
        ({"surname": "L"}, "variables.surname"),
        ({"name": 7}, "variables.name"),
    ],
)
def test_a_value_that_does_not_fit_is_named(arguments, param):
    error = refusal(fill, "", **arguments)

    assert error.param.startswith(param)
    assert error.code == "invalid_variables"


def test_a_missing_required_variable_is_named():
    assert refusal(variables.values_of, {}, KINDS, SHAPE).param == "variables.name"


def test_a_text_compared_with_a_number_is_refused_when_it_is_filled_in():
    assert "cannot be filled in" in refusal(fill, "{% if name > share %}x{% endif %}").detail


@pytest.mark.parametrize(
    ("declared", "param"),
    [
        ({"loop": {"type": "string"}}, "variables.loop"),
        ({"None": {"type": "string"}}, "variables.None"),
        ({"a": {"type": "object"}}, "variables.a.fields"),
        ({"a": {"type": "list"}}, "variables.a.fields"),
        ({"a": {"type": "string", "fields": {"b": {"type": "string"}}}}, "variables.a.fields"),
        ({"a": {"type": "integer", "default": "x"}}, "variables.a.default"),
        ({"a": {"type": "string", "default": "www.a.example"}}, "variables.a.default"),
        ({"a": {"type": "url", "default": "javascript:x"}}, "variables.a.default"),
        (
            {"a": {"type": "list", "fields": {"b": {"type": "boolean", "default": 1}}}},
            "variables.a.fields.b.default",
        ),
    ],
)
def test_a_declaration_that_cannot_hold_is_named(declared, param):
    faults = list(variables.faults_of(msgspec.convert(declared, Declarations)))

    assert [each.param for each in faults] == [param]


def test_a_critical_template_has_no_link_to_unsubscribe():
    content = TemplateRequest(category="a", subject="s", text="{{ unsubscribe_url }}")
    filled = Ready("t", 1, content).render({}, unsubscribe_url="https://u.example/")

    assert filled.text == "https://u.example/"
    with pytest.raises(InvalidRequest, match="unsubscribe_url"):
        Ready("t", 1, msgspec.structs.replace(content, critical=True))
