"""The template that a notification or a preview names: a built-in one, or one of a tenant's."""

from typing import Protocol

from msgspec import UNSET, UnsetType

from backend.errors import InvalidRequest
from notifications.templates import built_in, compiled, own, service
from notifications.templates.built_in import Template
from notifications.templates.compiled import Ready
from notifications.templates.own import OwnTemplate, Version
from notifications.templates.service import Templates


class FindTemplate(Protocol):
    """The look-up of a template by its id; see `templates.store.find`."""

    def __call__(self, template_id: str, *, with_earlier: bool) -> OwnTemplate | None: ...


def sendable(
    name: str, number: int | UnsetType, *, tenant: str, find_template: FindTemplate
) -> Template | Ready:
    """Return a built-in template, or one of the tenant's, as a notification names it.

    Raises InvalidRequest where there is none of that name and version, or it is archived.
    """
    if name in built_in.PUBLIC:
        return _built_in(name, number, param="template_version")
    stored = find_template(own.id_of(tenant, name), with_earlier=number is not UNSET)
    if stored is None or stored.archived_ms:
        raise built_in.unknown()
    return compiled.ready(stored, version_of(stored, number, param="template_version"))


def previewable(
    name: str, number: int | UnsetType, *, tenant: str, templates: Templates
) -> Template | Ready:
    """Return a template to look at, also an archived one; raises NotFound and InvalidRequest."""
    if name in built_in.PUBLIC:
        return _built_in(name, number, param="version")
    stored = service.find(name, tenant=tenant, templates=templates)
    return compiled.ready(stored, version_of(stored, number, param="version"))


def _built_in(name: str, number: int | UnsetType, *, param: str) -> Template:
    template = built_in.PUBLIC[name]
    if number not in (UNSET, template.version):
        raise InvalidRequest(
            f"The version of this built-in template is {template.version}.",
            code="unknown_template_version",
            param=param,
        )
    return template


def version_of(
    template: OwnTemplate, number: int | UnsetType, *, param: str = "version"
) -> Version:
    """Return a version of a template, the newest without a number; raises InvalidRequest."""
    versions = {each.number: each for each in (*template.earlier, template.newest)}
    version = template.newest if number is UNSET else versions.get(number)
    if version is None:
        first, last = min(versions), max(versions)
        span = f"its versions are {first} to {last}" if first < last else "its only version is 1"
        raise InvalidRequest(
            f"There is no version {number} of this template; {span}.",
            code="unknown_template_version",
            param=param,
        )
    return version
