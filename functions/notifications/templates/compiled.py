"""Versions of tenants' templates, compiled: each once by an execution environment."""

from collections.abc import Mapping
from typing import Any

from msgspec import UnsetType

from notifications.rendered import Rendered
from notifications.templates import variables
from notifications.templates.own import (
    HTML_MAX,
    SUBJECT_MAX,
    TEXT_MAX,
    OwnTemplate,
    TemplateRequest,
    Version,
)
from notifications.templates.variables import Variable

COMPILED_MAX = 64  # versions that an environment keeps, some 100 KiB each


class Ready:
    """A version of a template that can be filled in; the counterpart of a built-in template."""

    def __init__(self, name: str, version: int, content: TemplateRequest | Version) -> None:
        """Raise InvalidRequest where a part is not of the language."""
        from notifications.templates.language import (  # noqa: PLC0415  # Jinja costs 30 ms of CPU
            Part,
        )

        self.name = name
        self.version = version
        self.category: str | UnsetType = content.category
        self.is_subscription = not content.critical
        self._variables = content.variables
        self._shape = variables.shape_of(content.variables)
        link = {"unsubscribe_url": Variable(type="url")} if self.is_subscription else {}
        declared = {**content.variables, **link}
        self._subject = Part("subject", content.subject, declared, length_max=SUBJECT_MAX)
        self._text = Part("text", content.text, declared, length_max=TEXT_MAX)
        self._html = Part("html", content.html, declared, length_max=HTML_MAX)

    def render(self, arguments: Mapping[str, Any], *, unsubscribe_url: str | None) -> Rendered:
        """Return the template filled in; raises InvalidRequest naming what does not fit."""
        values = variables.values_of(arguments, self._variables, self._shape)
        values["unsubscribe_url"] = unsubscribe_url
        return Rendered(
            template=self.name,
            version=self.version,
            subject=self._subject.fill(values),
            text=self._text.fill(values),
            html=self._html.fill(values),
        )


_ready: dict[tuple[str, int, int], Ready] = {}


def ready(template: OwnTemplate, version: Version) -> Ready:
    """Return a version that can be filled in, compiled once by each environment."""
    key = (template.id, version.number, version.created_ms)
    if key not in _ready:
        if len(_ready) >= COMPILED_MAX:
            del _ready[next(iter(_ready))]
        _ready[key] = Ready(template.name, version.number, version)
    return _ready[key]
