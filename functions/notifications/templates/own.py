"""A tenant's own templates: the newest version of each, the earlier ones, and what clients see.

A version never changes: an update makes another, whose number is one more.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from backend import ids
from backend.clock import rfc3339
from backend.errors import Fault
from backend.shapes import END
from notifications.templates import variables
from notifications.templates.variables import Declarations, Variable

SUBJECT_MAX = 500  # characters, as of the other parts both of the source and filled in
TEXT_MAX = 20_000
HTML_MAX = 60_000  # what Gmail shows without cutting it; worker and lists read many at once
KEPT_VERSIONS = 20  # of a template, the newest; each is 256 KiB at most

CATEGORY = re.compile("^[a-z][a-z0-9_]{0,39}" + END)
Category = Annotated[
    str,
    Meta(
        pattern=CATEGORY.pattern,
        description="What recipients may want no more of",
        extra={"expected": "1 to 40 of a-z, 0-9 and _, beginning with a letter"},
    ),
]
VersionNumber = Annotated[int, Meta(ge=1, le=1_000_000)]


class TemplateRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of PUT /v1/templates/{name}; without `html` mails have text only."""

    category: Category
    critical: bool = False
    subject: Annotated[str, Meta(min_length=1, max_length=SUBJECT_MAX)]
    text: Annotated[str, Meta(min_length=1, max_length=TEXT_MAX)]
    html: Annotated[str, Meta(max_length=HTML_MAX)] = ""
    variables: Declarations = {}

    @staticmethod
    def cross_check(fields: Mapping[str, Any]) -> Iterator[Fault]:
        """Return what is wrong with fields of which each is right by itself."""
        yield from variables.faults_of(fields.get("variables", {}))


class Version(Struct, frozen=True, kw_only=True):
    """One version of a template as it is stored; a list of templates is read without its parts."""

    number: int
    created_ms: int
    category: str
    critical: bool
    subject: str = ""
    text: str = ""
    html: str = ""
    variables: dict[str, Variable] = {}

    def has(self, content: TemplateRequest) -> bool:
        """Tell whether a request would make the same version."""
        names = content.__struct_fields__
        return all(getattr(self, name) == getattr(content, name) for name in names)


class OwnTemplate(Struct, frozen=True, kw_only=True):
    """One template of a tenant as it is stored."""

    id: str = field(name="_id")  # made of tenant and name
    tenant: str
    name: str
    # Among the tenant's, from 0; unique, so that there are no more than places. An archived one has
    # none.
    place: int | UnsetType = UNSET
    created_ms: int
    newest: Version
    earlier: tuple[Version, ...] = ()  # the last before it, oldest first; not always read
    archived_ms: int | UnsetType = UNSET


class TemplateSummary(Struct, frozen=True, kw_only=True):
    """A version of a template as lists show it."""

    name: str
    version: int
    category: str
    critical: bool
    created_at: str  # the version
    archived_at: str | UnsetType = UNSET


class TemplateView(TemplateSummary, frozen=True, kw_only=True):
    """A version of a template as clients see it."""

    subject: str
    text: str
    html: str
    variables: dict[str, Variable]


class TemplatePage(Struct, frozen=True, kw_only=True):
    """All templates of a tenant, or the kept versions of one, newest first."""

    data: list[TemplateSummary]
    has_more: bool = False


def version_after(before: Version | None, content: TemplateRequest, *, now_ms: int) -> Version:
    """Return the version that follows one, or the first."""
    number = before.number + 1 if before else 1
    return Version(number=number, created_ms=now_ms, **msgspec.structs.asdict(content))


def id_of(tenant: str, name: str) -> str:
    """Return the id that a tenant's template of this name always has."""
    return ids.derived("tpl_", tenant, name)


def summary(template: OwnTemplate, version: Version) -> TemplateSummary:
    """Return what lists show of a version."""
    return TemplateSummary(**_summary(template, version))


def view(template: OwnTemplate, version: Version) -> TemplateView:
    """Return what a client sees of a version."""
    return TemplateView(
        **_summary(template, version),
        subject=version.subject,
        text=version.text,
        html=version.html,
        variables=version.variables,
    )


def _summary(template: OwnTemplate, version: Version) -> dict[str, Any]:
    archived_ms = template.archived_ms
    return {
        "name": template.name,
        "version": version.number,
        "category": version.category,
        "critical": version.critical,
        "created_at": rfc3339(version.created_ms),
        "archived_at": UNSET if archived_ms is UNSET else rfc3339(archived_ms),
    }
