"""Trace contexts: what names a trace, and what is passed over."""

import pytest

from local.traces import context
from local.traces.context import TraceContext, new_span_id, new_trace_id

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
ROOT = "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(
    ("text", "sampled"),
    [
        (f"00-{TRACE}-{SPAN}-01", True),
        (f"00-{TRACE}-{SPAN}-00", False),
        (f"00-{TRACE}-{SPAN}-03", True),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-adds", True),
    ],
)
def test_a_traceparent_names_trace_and_span(text, sampled):
    assert context.of_traceparent(text) == TraceContext(TRACE, SPAN, sampled)


@pytest.mark.parametrize(
    "text",
    [
        *(None, "", "00", "garbage", TRACE, f"00-{TRACE}-{SPAN}", f"00-{TRACE}-{SPAN}-01-more"),
        *(f"ff-{TRACE}-{SPAN}-01", f"00-{TRACE.upper()}-{SPAN}-01", f"00-{'0' * 32}-{SPAN}-01"),
        *(f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE}0-{SPAN}-01", f" 00-{TRACE}-{SPAN}-01"),
        *(f"00-{TRACE}-{SPAN}-1", f"00-{TRACE}-{SPAN}-01\n", f"cc-{TRACE}-{SPAN}-01-" + "x" * 2000),
    ],
)
def test_a_traceparent_of_another_shape_is_passed_over(text):
    assert context.of_traceparent(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ROOT, TraceContext(TRACE)),
        (f"{ROOT};Parent={SPAN};Sampled=1", TraceContext(TRACE, SPAN, True)),
        (f"Sampled=0; Parent={SPAN}; {ROOT}", TraceContext(TRACE, SPAN, False)),
        (f"Self=1-5759e988-bd862e3fe1be46a994272793;{ROOT};Sampled=?", TraceContext(TRACE)),
        (f"{ROOT};Parent=53995C3F42CD8AD8;Lineage=a:0", TraceContext(TRACE)),
    ],
)
def test_the_header_of_aws_names_the_trace(text, expected):
    assert context.of_header(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *(None, "", "Root=", "Root=1-4bf92f35", ROOT.lower(), ROOT.replace("1-", "2-"), ";;;==="),
        *(ROOT.upper(), "Root=1-00000000-" + "0" * 24, f"{ROOT}0", TRACE, ROOT + ";" * 2000),
    ],
)
def test_a_header_without_a_trace_is_passed_over(text):
    assert context.of_header(text) is None


def test_one_trace_is_written_in_both_forms():
    trace = TraceContext(TRACE, SPAN, True)

    assert context.of_header(trace.header) == trace
    assert context.of_traceparent(trace.traceparent) == trace
    assert trace.header == f"{ROOT};Parent={SPAN};Sampled=1"


def test_new_ids_have_the_forms_of_both():
    made = TraceContext(new_trace_id(1_732_966_000.5), new_span_id(), False)

    assert made.trace_id.startswith("674af670")
    assert context.of_header(made.header) == made
    assert context.of_traceparent(made.traceparent) == made


@pytest.mark.parametrize(
    "text",
    [
        *(TRACE, TRACE.upper(), f" {TRACE}\n", f"00-{TRACE}-{SPAN}-01"),
        *(ROOT, ROOT.removeprefix("Root="), f"Self=1-5759e988-bd862e3f;{ROOT};Parent={SPAN}"),
    ],
)
def test_a_person_may_write_an_id_in_any_form(text):
    assert context.trace_id_of(text) == TRACE


@pytest.mark.parametrize(
    "text", ["", "x", TRACE[1:], "0" * 32, "1f4e0a4c-6f3b-4f0e-9b57-0a3b7a1c2d3e"]
)
def test_another_id_is_none_of_a_trace(text):
    assert context.trace_id_of(text) is None
