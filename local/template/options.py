"""The template that a program's command line names."""

import argparse

from local.template.build import load
from local.template.model import Template


def chosen(options: argparse.Namespace) -> Template:
    """Read the template of `local.daemon.arguments.add_template`; raises TemplateError."""
    return load(
        options.template, dict(options.parameters), allow_unsupported=options.allow_unsupported
    )
