"""The routes of tenants' templates; `notifications.app` serves them."""

from typing import Annotated, Any

from chalice.app import Blueprint, Response
from msgspec import UNSET, Meta, Struct, UnsetType

from backend import audit
from backend.clock import now_ms
from backend.entrypoint import Call, endpoint, reply
from notifications.suppressions.routes import links
from notifications.templates import choosing, own, service, store
from notifications.templates.own import TemplatePage, TemplateRequest, VersionNumber

routes = Blueprint(__name__)


class TemplateQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The query of GET /v1/templates/{name}."""

    version: VersionNumber | UnsetType = UNSET


class PreviewRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of POST /v1/templates/{name}/preview."""

    variables: Annotated[dict[str, Any], Meta(max_length=32)] = {}
    version: VersionNumber | UnsetType = UNSET


@routes.route("/v1/templates", methods=["GET"])
@endpoint(routes, "notifications:read")
def list_templates(call: Call) -> Response:
    """List the newest version of each template that is in use, the last made first."""
    templates = service.in_use(tenant=call.caller.tenant, templates=store)
    return reply(TemplatePage(data=[own.summary(each, each.newest) for each in templates]))


@routes.route("/v1/templates/{name}", methods=["PUT"])
@endpoint(routes, "notifications:write")
def put_template(call: Call, name: str) -> Response:
    """Make a template, or its next version; the same content again makes none."""
    template = service.put(
        name,
        call.body(TemplateRequest),
        tenant=call.caller.tenant,
        templates=store,
        author=audit.author(call),
        now_ms=now_ms(),
    )
    return reply(own.view(template, template.newest))


@routes.route("/v1/templates/{name}", methods=["GET"])
@endpoint(routes, "notifications:read")
def get_template(call: Call, name: str) -> Response:
    """Show a version of a template, the newest by default."""
    query = call.query(TemplateQuery)
    template = service.find(name, tenant=call.caller.tenant, templates=store)
    return reply(own.view(template, choosing.version_of(template, query.version)))


@routes.route("/v1/templates/{name}/versions", methods=["GET"])
@endpoint(routes, "notifications:read")
def list_template_versions(call: Call, name: str) -> Response:
    """List the versions of a template that are kept, newest first."""
    template = service.find(name, tenant=call.caller.tenant, templates=store)
    versions = (template.newest, *reversed(template.earlier))
    return reply(TemplatePage(data=[own.summary(template, each) for each in versions]))


@routes.route("/v1/templates/{name}/archive", methods=["POST"])
@endpoint(routes, "notifications:write")
def archive_template(call: Call, name: str) -> Response:
    """Take a template out of use; what was accepted by it is still sent."""
    template = service.archive(
        name,
        tenant=call.caller.tenant,
        templates=store,
        author=audit.author(call),
        now_ms=now_ms(),
    )
    return reply(own.view(template, template.newest))


@routes.route("/v1/templates/{name}/preview", methods=["POST"])
@endpoint(routes, "notifications:write")
def preview_template(call: Call, name: str) -> Response:
    """Show a template filled in, also a built-in one, and send nothing."""
    request = call.body(PreviewRequest)
    template = choosing.previewable(
        name, request.version, tenant=call.caller.tenant, templates=store
    )
    url = links.url("ntf_preview") if template.is_subscription else None
    return reply(template.render(request.variables, unsubscribe_url=url))
