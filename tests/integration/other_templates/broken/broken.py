"""A handler that needs what nobody has installed."""

import what_nobody_has  # noqa: F401


def handler(_event, _context):
    return {"statusCode": 200}
