"""The template that a program's command line names."""

import argparse
from collections.abc import Mapping

from local.template import service_values
from local.template.build import load
from local.template.debugging import debugged
from local.template.model import Template


def chosen(options: argparse.Namespace, values: Mapping[str, str] | None = None) -> Template:
    """Read the template of `local.daemon.arguments.add_template`; raises TemplateError.

    Without `values` of placeholders, those of the services of the state directory are taken.
    """
    template = load(
        options.template,
        dict(options.parameters),
        allow_unsupported=options.allow_unsupported,
        values=service_values.read(getattr(options, "state", None)) if values is None else values,
    )
    name = getattr(options, "debug", None)
    return debugged(template, name) if name else template
