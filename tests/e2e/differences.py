"""What each target is known to do differently, test by test; strict, see `targets`."""

from tests.e2e.targets import MINISTACK, Difference

OWN_BODIES = "ministack takes no gateway responses from the API's definition: its bodies are AWS's"
OTHER_ID = "the id in the event's request context is another than in the header x-amzn-RequestId"

DIFFERENCES: tuple[Difference, ...] = (
    *(
        Difference(MINISTACK, f"test_gateway_answers.py::{test}", OWN_BODIES)
        for test in (
            "test_no_token_is_told_in_the_problem_shape",
            "test_no_route_is_told_in_the_problem_shape",
            "test_a_problem_names_the_request_as_its_header_does[/nothing]",
        )
    ),
    Difference(
        MINISTACK,
        "test_gateway_answers.py::"
        "test_a_problem_names_the_request_as_its_header_does[/v1/payments/pay_nobody]",
        OTHER_ID,
    ),
)
