"""The clients' part of tenants' templates: put, find, list, archive. Knows no HTTP or MongoDB."""

import re
from collections.abc import Sequence
from typing import Any, Protocol

from msgspec import UNSET
from msgspec.structs import replace

from backend.audit import Author
from backend.errors import Conflict, InvalidRequest, InvalidState, NotFound
from notifications.templates import built_in, own
from notifications.templates.compiled import Ready
from notifications.templates.own import OwnTemplate, TemplateRequest

TEMPLATES_MAX = 100  # of a tenant, archived ones aside
PUT_ATTEMPTS = 5  # each is lost only to another change that was made meanwhile
NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


class Templates(Protocol):
    """The store of templates; `templates.store` says what each function guarantees."""

    def find(self, template_id: str, *, with_earlier: bool) -> OwnTemplate | None: ...

    def in_use(self, tenant: str) -> list[OwnTemplate]: ...

    def insert(self, template: OwnTemplate) -> bool: ...

    def replace(self, before: OwnTemplate, after: OwnTemplate) -> bool: ...


def put(
    name: str,
    content: TemplateRequest,
    *,
    tenant: str,
    templates: Templates,
    author: Author,
    now_ms: int,
) -> OwnTemplate:
    """Make a template, or its next version, and take an archived one into use again.

    The same content again makes nothing, so a repeat is harmless. Raises InvalidRequest for what
    could not be filled in, and InvalidState where there are too many templates.
    """
    _check_name(name)
    Ready(name, 1, content)
    for _ in range(PUT_ATTEMPTS):
        before = templates.find(own.id_of(tenant, name), with_earlier=True)
        if before and before.newest.has(content) and before.archived_ms is UNSET:
            return before
        after = _next(before, name, content, tenant=tenant, templates=templates, now_ms=now_ms)
        verb = "updated" if before else "created"
        if _store(before, after, verb, templates=templates, author=author):
            return after
    raise Conflict("The template is changed all the time just now; retry.")


def archive(
    name: str, *, tenant: str, templates: Templates, author: Author, now_ms: int
) -> OwnTemplate:
    """Take a template out of use, also again; what was accepted is still sent. Raises NotFound."""
    before = find(name, tenant=tenant, templates=templates)
    if before.archived_ms:
        return before
    after = replace(before, place=UNSET, archived_ms=now_ms)
    if not _store(before, after, "archived", templates=templates, author=author):
        raise Conflict("The template was changed by somebody else meanwhile; retry.")
    return after


def find(name: str, *, tenant: str, templates: Templates) -> OwnTemplate:
    """Return a template of this tenant with all its versions; raises NotFound."""
    template = templates.find(own.id_of(tenant, name), with_earlier=True)
    if template is None:
        hint = " It is a built-in one." if name in built_in.PUBLIC else ""
        raise NotFound(f"You have no template of that name.{hint}", param="name")
    return template


def in_use(*, tenant: str, templates: Templates) -> Sequence[OwnTemplate]:
    """Return a tenant's templates that are not archived, the last made first."""
    return sorted(templates.in_use(tenant), key=lambda each: (-each.created_ms, each.name))


def _next(
    before: OwnTemplate | None,
    name: str,
    content: TemplateRequest,
    *,
    tenant: str,
    templates: Templates,
    now_ms: int,
) -> OwnTemplate:
    """Return the template with one version more, which is the newest."""
    if before is None:
        return OwnTemplate(
            id=own.id_of(tenant, name),
            tenant=tenant,
            name=name,
            place=_free_place(tenant, templates),
            created_ms=now_ms,
            newest=own.version_after(None, content, now_ms=now_ms),
        )
    return replace(
        before,
        place=_free_place(tenant, templates) if before.place is UNSET else before.place,
        newest=own.version_after(before.newest, content, now_ms=now_ms),
        earlier=(*before.earlier, before.newest)[-(own.KEPT_VERSIONS - 1) :],
        archived_ms=UNSET,
    )


def _free_place(tenant: str, templates: Templates) -> int:
    places = {each.place for each in templates.in_use(tenant)}
    free = sorted(set(range(TEMPLATES_MAX)) - places)
    if not free:
        raise InvalidState(
            f"There are {TEMPLATES_MAX} templates; archive one first.", code="too_many_templates"
        )
    return free[0]


def _store(
    before: OwnTemplate | None,
    after: OwnTemplate,
    verb: str,
    *,
    templates: Templates,
    author: Author,
) -> bool:
    """Store a change with its entry in the audit log; False where another came before it."""
    try:
        with author.changes(
            f"template.{verb}",
            after.name,
            tenant=after.tenant,
            before=_logged(before) if before else None,
            after=_logged(after),
        ):
            if not (templates.replace(before, after) if before else templates.insert(after)):
                raise Conflict("It was changed meanwhile.")
    except Conflict:
        return False
    return True


def _logged(template: OwnTemplate) -> dict[str, Any]:
    """Return the fields that the audit log shows; the versions themselves say the rest."""
    return {
        "version": template.newest.number,
        "category": template.newest.category,
        "critical": template.newest.critical,
        "archived": template.archived_ms is not UNSET,
    }


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        detail = "A name is 1 to 64 of a-z, 0-9 and _, beginning with a letter."
        raise InvalidRequest(detail, param="name")
    if name in built_in.TEMPLATES:
        raise InvalidRequest(
            "A built-in template has that name; use another.", code="reserved_name", param="name"
        )
