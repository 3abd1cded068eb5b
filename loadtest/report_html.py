"""report.html: one report for a person, with charts as inline SVG; made of report.json alone."""

from typing import Any


def page(report: dict[str, Any]) -> str:
    """The whole page."""
    return f"<!doctype html><title>{report['verdict']}</title>"
