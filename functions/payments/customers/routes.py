"""The routes of customers; `payments.app` serves them."""

from chalice.app import Blueprint, Response

from backend.clock import now_ms
from backend.entrypoint import Call, endpoint, reply
from backend.pages import PageQuery
from backend.shapes import Deleted
from payments.customers import schema, service, store
from payments.customers.schema import (
    CustomerChange,
    CustomerPage,
    CustomerRequest,
    MethodPage,
    MethodRequest,
)

routes = Blueprint(__name__)


@routes.route("/v1/customers", methods=["POST"])
@endpoint(routes, "payments:write")
def create_customer(call: Call) -> Response:
    """Make a customer."""
    customer, replayed = service.create(
        call.body(CustomerRequest, may_be_empty=True),
        key=call.idempotency_key(),
        tenant=call.caller.tenant,
        customers=store,
        now_ms=now_ms(),
    )
    headers = {"Location": f"/v1/customers/{customer.id}"}
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    return reply(schema.view(customer), status=201, headers=headers)


@routes.route("/v1/customers", methods=["GET"])
@endpoint(routes, "payments:read")
def list_customers(call: Call) -> Response:
    """List customers, newest first."""
    query = call.query(PageQuery)
    page, has_more = service.newest(query, tenant=call.caller.tenant, customers=store)
    return reply(CustomerPage(data=[schema.view(each) for each in page], has_more=has_more))


@routes.route("/v1/customers/{customer_id}", methods=["GET"])
@endpoint(routes, "payments:read")
def get_customer(call: Call, customer_id: str) -> Response:
    """Show a customer."""
    return reply(schema.view(_customer(call, customer_id)))


@routes.route("/v1/customers/{customer_id}", methods=["PATCH"])
@endpoint(routes, "payments:write")
def update_customer(call: Call, customer_id: str) -> Response:
    """Change a customer; what is left out stays."""
    changed = service.change(
        call.body(CustomerChange), customer_id, tenant=call.caller.tenant, customers=store
    )
    return reply(schema.view(changed))


@routes.route("/v1/customers/{customer_id}", methods=["DELETE"])
@endpoint(routes, "payments:write")
def delete_customer(call: Call, customer_id: str) -> Response:
    """Delete a customer with its saved methods; its payments stay."""
    service.delete(customer_id, tenant=call.caller.tenant, customers=store)
    return reply(Deleted(id=customer_id))


@routes.route("/v1/customers/{customer_id}/payment-methods", methods=["POST"])
@endpoint(routes, "payments:write")
def attach_payment_method(call: Call, customer_id: str) -> Response:
    """Save a payment method of a customer."""
    request = call.body(MethodRequest)
    customer = service.attach(
        request, customer_id, tenant=call.caller.tenant, customers=store, now_ms=now_ms()
    )
    saved = next(x for x in customer.methods if x.payment_method == request.payment_method)
    return reply(schema.method_view(customer, saved), status=201)


@routes.route("/v1/customers/{customer_id}/payment-methods", methods=["GET"])
@endpoint(routes, "payments:read")
def list_payment_methods(call: Call, customer_id: str) -> Response:
    """List the saved payment methods of a customer, newest first."""
    customer = _customer(call, customer_id)
    views = [schema.method_view(customer, each) for each in customer.methods[::-1]]
    return reply(MethodPage(data=views))


@routes.route("/v1/customers/{customer_id}/payment-methods/{payment_method}", methods=["DELETE"])
@endpoint(routes, "payments:write")
def detach_payment_method(call: Call, customer_id: str, payment_method: str) -> Response:
    """Forget a saved payment method."""
    service.detach(payment_method, customer_id, tenant=call.caller.tenant, customers=store)
    return reply(Deleted(id=payment_method))


def _customer(call: Call, customer_id: str) -> schema.Customer:
    return service.find(customer_id, tenant=call.caller.tenant, customers=store)
