"""Requests for notifications: by clients, and by other domains."""

SCOPES = "notifications:read notifications:write"


def welcome(**changes):
    return {
        "channel": "email",
        "to": "ada@example.com",
        "template": "welcome",
        "variables": {"name": "Ada"},
        **changes,
    }


def receipt(tenant, key, to, **changes):
    variables = {"amount": 1234, "currency": "EUR", "payment_id": "pay_1", **changes}
    return {
        "request": {
            "tenant": tenant,
            "key": key,
            "channel": "email",
            "to": to,
            "template": "payment_receipt",
            "variables": variables,
        }
    }
