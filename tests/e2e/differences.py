"""The known differences of each target, test by test; strict, see `targets`."""

from tests.e2e.targets import CHALICE, MINISTACK, Difference

SHAPE = (
    "test_no_route_is_told_in_the_problem_shape",
    "test_a_problem_names_the_request_as_its_header_does[/nothing]",
)
CHALICES_NO_ROUTE = "no gateway stands in front: Chalice answers what is no route in its own shape"
WRONG_METHOD = "Chalice answers 405 to a method that its route does not have, API Gateway 403"
NO_ID = "no gateway stands in front that would give each request an id in its header"
AWS_SHAPE = (
    "ministack reads no gateway responses from the API's definition and answers in AWS's shape"
)
OTHER_ID = "ministack gives the function another request id than the header x-amzn-RequestId"


def _each(target: str, reason: str, file: str, *tests: str) -> tuple[Difference, ...]:
    return tuple(Difference(target, f"{file}::{test}", reason) for test in tests)


GATEWAY = "test_gateway_answers.py"
KNOWN_ID = "test_a_problem_names_the_request_as_its_header_does[/v1/payments/pay_nobody]"
FORBIDDEN = "test_what_is_no_route_is_forbidden_as_api_gateway_has_it"
DIFFERENCES: tuple[Difference, ...] = (
    *_each(CHALICE, CHALICES_NO_ROUTE, GATEWAY, *SHAPE),
    *_each(
        CHALICE,
        WRONG_METHOD,
        GATEWAY,
        f"{FORBIDDEN}[DELETE-/v1/payments]",
        f"{FORBIDDEN}[POST-/health]",
    ),
    *_each(CHALICE, NO_ID, GATEWAY, KNOWN_ID, "test_each_answer_has_an_id_of_its_own"),
    *_each(MINISTACK, AWS_SHAPE, GATEWAY, *SHAPE, "test_no_token_is_told_in_the_problem_shape"),
    *_each(MINISTACK, OTHER_ID, GATEWAY, KNOWN_ID),
)
