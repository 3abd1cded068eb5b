"""The operations of templates of one's own."""

from collections.abc import Mapping

from spillway_client.calls import Calls, members_of, path_of, present
from spillway_client.records import RenderedTemplate, Template, TemplateSummary

TEMPLATE = "/v1/templates/{name}"


class TemplateOperations:
    """The operations of templates of one's own."""

    _calls: Calls

    def put_template(
        self,
        name: str,
        *,
        category: str,
        subject: str,
        text: str,
        html: str | None = None,
        variables: Mapping[str, object] | None = None,
        critical: bool | None = None,
    ) -> Template:
        """Make a template, or its next version; the same content again makes none."""
        body = present(
            category=category,
            critical=critical,
            subject=subject,
            text=text,
            html=html,
            variables=variables,
        )
        return self._calls.send(Template, "PUT", path_of(TEMPLATE, name=name), body)

    def list_templates(self) -> list[TemplateSummary]:
        """Return the newest version of each template that is in use."""
        return members_of(TemplateSummary, self._calls.get(dict, "/v1/templates"))

    def get_template(self, name: str, *, version: int | None = None) -> Template:
        """Return a version of a template, the newest by default."""
        return self._calls.get(Template, path_of(TEMPLATE, name=name), version=version)

    def list_template_versions(self, name: str) -> list[TemplateSummary]:
        """Return the versions of a template that are kept, newest first."""
        path = path_of(TEMPLATE + "/versions", name=name)
        return members_of(TemplateSummary, self._calls.get(dict, path))

    def archive_template(self, name: str) -> Template:
        """Take a template out of use."""
        path = path_of(TEMPLATE + "/archive", name=name)
        return self._calls.send(Template, "POST", path)

    def preview_template(
        self,
        name: str,
        *,
        variables: Mapping[str, object] | None = None,
        version: int | None = None,
    ) -> RenderedTemplate:
        """Return a template filled in; nothing is sent."""
        path = path_of(TEMPLATE + "/preview", name=name)
        body = present(variables=variables, version=version)
        return self._calls.send(RenderedTemplate, "POST", path, body)
