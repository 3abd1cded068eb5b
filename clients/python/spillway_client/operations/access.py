"""The operations of tenants, clients, and the logs of requests and changes."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Literal

from spillway_client.calls import Calls, path_of, present
from spillway_client.operations.fields import new_key
from spillway_client.records import (
    Change,
    LoggedRequest,
    OAuthClient,
    Tenant,
)

TENANT, CLIENT = "/v1/tenants/{tenant_id}", "/v1/clients/{client_id}"


class AccessOperations:
    """The operations of tenants, clients, and the logs of requests and changes."""

    _calls: Calls

    def create_tenant(
        self,
        name: str,
        *,
        scopes: Sequence[str] | None = None,
        idempotency_key: str | None = None,
    ) -> Tenant:
        """Make a tenant, whose clients may have these scopes, or all."""
        body = present(name=name, scopes=scopes)
        return self._calls.send(Tenant, "POST", "/v1/tenants", body, key=new_key(idempotency_key))

    def list_tenants(
        self, *, starting_after: str | None = None, ending_before: str | None = None
    ) -> Iterator[Tenant]:
        """Yield the tenants, newest first."""
        return self._calls.pages(
            Tenant, "/v1/tenants", starting_after=starting_after, ending_before=ending_before
        )

    def get_tenant(self, tenant_id: str) -> Tenant:
        """Return a tenant."""
        return self._calls.get(Tenant, path_of(TENANT, tenant_id=tenant_id))

    def update_tenant(
        self,
        tenant_id: str,
        *,
        name: str | None = None,
        scopes: Sequence[str] | None = None,
        status: Literal["active", "disabled"] | None = None,
    ) -> Tenant:
        """Change what is given; clients of a disabled tenant get no tokens."""
        body = present(name=name, scopes=scopes, status=status)
        return self._calls.send(Tenant, "PATCH", path_of(TENANT, tenant_id=tenant_id), body)

    def create_client(
        self,
        name: str,
        scopes: Sequence[str],
        *,
        tenant: str | None = None,
        idempotency_key: str | None = None,
    ) -> OAuthClient:
        """Make a client; the first answer has the secret, which is not shown again."""
        body = present(name=name, scopes=scopes, tenant=tenant)
        return self._calls.send(
            OAuthClient, "POST", "/v1/clients", body, key=new_key(idempotency_key)
        )

    def list_clients(
        self,
        *,
        starting_after: str | None = None,
        ending_before: str | None = None,
        tenant: str | None = None,
    ) -> Iterator[OAuthClient]:
        """Yield a tenant's clients, newest first."""
        return self._calls.pages(
            OAuthClient,
            "/v1/clients",
            starting_after=starting_after,
            ending_before=ending_before,
            tenant=tenant,
        )

    def get_client(self, client_id: str) -> OAuthClient:
        """Return a client, without its secret."""
        return self._calls.get(OAuthClient, path_of(CLIENT, client_id=client_id))

    def update_client(
        self,
        client_id: str,
        *,
        name: str | None = None,
        scopes: Sequence[str] | None = None,
        status: Literal["active", "disabled"] | None = None,
    ) -> OAuthClient:
        """Change what is given; a disabled client gets no tokens."""
        body = present(name=name, scopes=scopes, status=status)
        return self._calls.send(OAuthClient, "PATCH", path_of(CLIENT, client_id=client_id), body)

    def rotate_client_secret(
        self, client_id: str, *, overlap_s: int = 86_400, idempotency_key: str | None = None
    ) -> OAuthClient:
        """Return the client with a new secret; the one until now holds for the overlap."""
        path = path_of(CLIENT + "/rotate-secret", client_id=client_id)
        body = present(overlap_s=overlap_s)
        return self._calls.send(OAuthClient, "POST", path, body, key=new_key(idempotency_key))

    def list_requests(
        self,
        *,
        starting_after: str | None = None,
        status: str | None = None,
        method: Literal["DELETE", "GET", "PATCH", "POST", "PUT"] | None = None,
        path: str | None = None,
        client_id: str | None = None,
        created_gte: datetime | None = None,
        created_lt: datetime | None = None,
    ) -> Iterator[LoggedRequest]:
        """Yield requests, newest first; a status is 404 or 4xx, a path the beginning of one."""
        return self._calls.pages(
            LoggedRequest,
            "/v1/requests",
            starting_after=starting_after,
            status=status,
            method=method,
            path=path,
            client_id=client_id,
            created_gte=created_gte,
            created_lt=created_lt,
        )

    def list_changes(
        self,
        *,
        starting_after: str | None = None,
        ending_before: str | None = None,
        tenant: str | None = None,
        object_id: str | None = None,
        created_gte: datetime | None = None,
        created_lt: datetime | None = None,
    ) -> Iterator[Change]:
        """Yield who changed what of a tenant, newest first."""
        return self._calls.pages(
            Change,
            "/v1/audit-log",
            starting_after=starting_after,
            ending_before=ending_before,
            tenant=tenant,
            object_id=object_id,
            created_gte=created_gte,
            created_lt=created_lt,
        )
