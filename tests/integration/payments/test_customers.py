"""Customers with saved methods: made once, charged off session, deleted; their payments stay."""

import pytest

from payments.customers.service import CUSTOMERS_MAX, METHODS_MAX
from tests.integration.payments.conftest import VISA

ADA = {"name": "Ada", "email": "ada@example.com", "metadata": {"tier": "gold"}}
CUSTOMER, METHODS = "/v1/customers/{customer_id}", "/v1/customers/{customer_id}/payment-methods"
RENEWAL = {"amount": 990, "currency": "EUR", "off_session": True}
NEEDS_CUSTOMER = "pm_card_authenticationRequired"


@pytest.fixture
def customer_id(ask):
    return ask("POST", "/v1/customers", ADA, key="ada").body["id"]


@pytest.fixture
def pay(ask, worker, messages):
    """Make a payment, settle it and return it as it is then."""

    def once(body, key="p"):
        made = ask("POST", "/v1/payments", body, key=key)
        assert made.status == 201, made.body
        worker.consume(messages())
        return ask("GET", "/v1/payments/{payment_id}", payment_id=made.body["id"]).body

    return once


def _attach(ask, customer_id, token, **options):
    body = {"payment_method": token, **options}
    return ask("POST", METHODS, body, customer_id=customer_id)


def test_a_customer_is_made_once_a_key_and_answered_the_same_after_it_changed(ask):
    made = ask("POST", "/v1/customers", ADA, key="k")
    path = {"customer_id": made.body["id"]}
    change = {"name": None, "description": "moved", "metadata": None}
    changed = ask("PATCH", CUSTOMER, change, **path)
    again = ask("POST", "/v1/customers", ADA, key="k")

    assert (made.status, again.status, again.body) == (201, 201, made.body)
    assert made.headers["location"] == f"/v1/customers/{made.body['id']}"
    assert again.headers["idempotent-replayed"] == "true"
    assert ask("GET", CUSTOMER, **path).body == changed.body
    assert changed.body == {**made.body, "name": None, "description": "moved", "metadata": {}}
    reused = ask("POST", "/v1/customers", {"name": "Bob"}, key="k")
    assert (reused.status, reused.body["code"]) == (422, "idempotency_key_reused")
    assert ask("POST", "/v1/customers", ADA).body["code"] == "idempotency_key_required"


def test_a_wrong_customer_is_told_every_wrong_field_at_once(ask):
    answer = ask("POST", "/v1/customers", {"name": 1, "email": "x", "card": "4242"}, key="k")

    assert answer.status == 422
    assert [each["param"] for each in answer.body["errors"]] == ["name", "email", "card"]


def test_a_method_is_saved_once_and_the_first_is_the_default_until_another_is(ask, customer_id):
    first = _attach(ask, customer_id, "pm_card_visa")
    other = _attach(ask, customer_id, NEEDS_CUSTOMER)
    again = _attach(ask, customer_id, "pm_card_visa")
    chosen = _attach(ask, customer_id, NEEDS_CUSTOMER, default=True)

    assert [each.status for each in (first, other, again, chosen)] == [201] * 4
    assert again.body == first.body
    assert [each.body["default"] for each in (first, other, chosen)] == [True, False, True]
    methods = ask("GET", METHODS, customer_id=customer_id).body
    tokens = [(each["payment_method"], each["default"]) for each in methods["data"]]
    assert tokens == [(NEEDS_CUSTOMER, True), ("pm_card_visa", False)]
    back = {"default_payment_method": "pm_card_visa"}
    assert ask("PATCH", CUSTOMER, back, customer_id=customer_id).body | back == (
        ask("GET", CUSTOMER, customer_id=customer_id).body
    )
    unsaved = {"default_payment_method": "pm_card_expiredCard"}
    refused = ask("PATCH", CUSTOMER, unsaved, customer_id=customer_id)
    assert (refused.status, refused.body["code"]) == (422, "payment_method_not_saved")


def test_a_method_that_is_forgotten_is_nobody_s_default(ask, customer_id):
    _attach(ask, customer_id, "pm_card_visa")
    path = {"customer_id": customer_id, "payment_method": "pm_card_visa"}
    resource = METHODS + "/{payment_method}"

    assert ask("DELETE", resource, **path).body == {"id": "pm_card_visa", "deleted": True}
    assert ask("DELETE", resource, **path).status == 404
    assert ask("GET", CUSTOMER, customer_id=customer_id).body["default_payment_method"] is None
    missing = ask("POST", "/v1/payments", RENEWAL | {"customer": customer_id}, key="p")
    assert (missing.status, missing.body["param"]) == (422, "payment_method")


def test_a_saved_method_is_charged_while_the_customer_is_away(ask, customer_id, pay):
    _attach(ask, customer_id, "pm_card_visa")

    payment = pay(RENEWAL | {"customer": customer_id})

    assert payment["status"] == "succeeded"
    assert (payment["customer"], payment["off_session"]) == (customer_id, True)
    assert payment["payment_method"] == "pm_card_visa"


def test_what_needs_the_customer_fails_off_session_and_can_be_confirmed_with_it(
    ask, customer_id, pay, worker, messages, provider
):
    _attach(ask, customer_id, NEEDS_CUSTOMER)
    away = pay(RENEWAL | {"customer": customer_id})
    here = pay({**VISA, "customer": customer_id, "payment_method": NEEDS_CUSTOMER}, "q")

    assert (away["status"], away["failure"]["code"]) == ("failed", "authentication_required")
    assert here["status"] == "requires_action"
    path = {"payment_id": away["id"]}
    body = {"payment_method": NEEDS_CUSTOMER}
    assert ask("POST", "/v1/payments/{payment_id}/confirm", body, key="c", **path).status == 202
    worker.consume(messages())
    assert ask("GET", "/v1/payments/{payment_id}", **path).body["status"] == "requires_action"


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"customer": "cus_nobody"}, "customer", "no_such_customer"),
        ({}, "payment_method", "invalid_request"),
        ({"off_session": True, "payment_method": "pm_card_visa"}, "off_session", "invalid_request"),
    ],
)
def test_a_payment_without_a_method_or_a_customer_is_refused(ask, body, param, code):
    answer = ask("POST", "/v1/payments", {"amount": 1, "currency": "EUR", **body}, key="p")

    assert (answer.status, answer.body["param"], answer.body["code"]) == (422, param, code)


def test_off_session_only_what_is_saved_is_charged(ask, customer_id):
    body = RENEWAL | {"customer": customer_id, "payment_method": "pm_card_visa"}

    answer = ask("POST", "/v1/payments", body, key="p")

    assert (answer.status, answer.body["code"]) == (422, "payment_method_not_saved")


def test_a_deleted_customer_leaves_its_payments_and_its_key_does_not_make_it_anew(
    ask, customer_id, pay, database
):
    _attach(ask, customer_id, "pm_card_visa")
    body = RENEWAL | {"customer": customer_id}
    payment = pay(body)

    gone = ask("DELETE", CUSTOMER, customer_id=customer_id)

    assert gone.body == {"id": customer_id, "deleted": True}
    assert ask("GET", CUSTOMER, customer_id=customer_id).status == 404
    assert ask("DELETE", CUSTOMER, customer_id=customer_id).status == 404
    assert ask("GET", "/v1/customers").body["data"] == []
    again = ask("POST", "/v1/customers", ADA, key="ada")
    assert (again.status, again.body["code"]) == (409, "customer_deleted")
    path, query = {"payment_id": payment["id"]}, {"expand": "customer"}
    assert ask("GET", "/v1/payments/{payment_id}", **path).body == payment
    assert ask("GET", "/v1/payments/{payment_id}", query=query, **path).body == payment
    by_customer = ask("GET", "/v1/payments", query={"customer": customer_id})
    assert by_customer.body["data"] == [payment]
    repeated = ask("POST", "/v1/payments", body, key="p")
    assert (repeated.status, repeated.body["id"]) == (201, payment["id"])
    assert ask("POST", "/v1/payments", body, key="new").body["code"] == "no_such_customer"
    document = database["customers"].find_one({"_id": customer_id})
    assert document.keys() == {"_id", "deleted_by", "created_ms", "expires_at"}


def test_customers_are_paged_also_by_who_deletes_them_page_by_page(ask):
    made = [ask("POST", "/v1/customers", ADA, key=f"k{n}").body["id"] for n in range(5)][::-1]
    ids: list[str] = []
    query: dict[str, str] = {"limit": "2"}
    while True:
        page = ask("GET", "/v1/customers", query=query).body
        for each in page["data"]:
            ids.append(each["id"])
            ask("DELETE", CUSTOMER, customer_id=each["id"])
        if not page["has_more"]:
            break
        query["starting_after"] = ids[-1]

    assert ids == made
    foreign = ask("GET", "/v1/customers", query={"starting_after": made[0]}, tenant="stranger")
    assert foreign.status == 422


def test_a_payment_is_shown_with_its_customer_where_that_is_asked_for(ask, customer_id, pay):
    payment = pay({**VISA, "customer": customer_id})
    customer = ask("GET", CUSTOMER, customer_id=customer_id).body
    path = {"payment_id": payment["id"]}

    def shown(expand):
        return ask("GET", "/v1/payments/{payment_id}", query={"expand": expand}, **path)

    assert shown("customer").body == payment | {"customer": customer}
    assert shown("refunds,customer").body == payment | {"customer": customer}
    assert shown("refunds").body == payment
    page = ask("GET", "/v1/payments", query={"expand": "customer"}).body
    assert page["data"] == [payment | {"customer": customer}]
    refused = shown("customer,card")
    assert (refused.status, refused.body["param"]) == (422, "expand")
    assert "'card'" in refused.body["detail"]


def test_a_customer_of_another_tenant_is_not_there(ask, customer_id):
    def foreign(method, resource=CUSTOMER, body=None):
        return ask(method, resource, body, tenant="stranger", customer_id=customer_id)

    method = {"payment_method": "pm_card_visa"}
    answers = [
        foreign("GET"),
        foreign("PATCH", body={"name": "Eve"}),
        foreign("DELETE"),
        foreign("GET", METHODS),
        foreign("POST", METHODS, method),
    ]
    assert [each.status for each in answers] == [404] * 5
    payment = VISA | {"customer": customer_id}
    assert ask("POST", "/v1/payments", payment, key="p", tenant="stranger").status == 422
    assert ask("GET", CUSTOMER, customer_id=customer_id).body["name"] == "Ada"


def test_a_tenant_and_a_customer_have_so_many_and_no_more(ask, customer_id, database, tenant):
    database["customer_counts"].update_one({"_id": tenant}, {"$set": {"customers": CUSTOMERS_MAX}})
    full = ask("POST", "/v1/customers", ADA, key="another")
    saved = [{"payment_method": f"pm_{number}", "created_ms": 1} for number in range(METHODS_MAX)]
    database["customers"].update_one({"_id": customer_id}, {"$set": {"methods": saved}})

    assert (full.status, full.body["code"]) == (409, "too_many_customers")
    assert ask("POST", "/v1/customers", ADA, key="ada").status == 201
    assert _attach(ask, customer_id, "pm_card_visa").body["code"] == "too_many_payment_methods"
    ask("DELETE", CUSTOMER, customer_id=customer_id)
    assert ask("POST", "/v1/customers", ADA, key="another").status == 201
