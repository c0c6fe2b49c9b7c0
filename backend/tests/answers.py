"""What every refusal must look like, said once."""

from typing import Any

import httpx2

from tests.contract import PROBLEM

CANARY = "canary7Zq1Xw"
"""Put into input; an error that holds it repeats what was sent."""


def problem_of(response: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """Return the problem document of an answer that must be this refusal and no other."""
    assert response.status_code == status, response.text
    problem = checked_problem(response)
    assert problem["code"] == code, response.text
    return problem


def checked_problem(response: httpx2.Response) -> dict[str, Any]:
    """Return the problem document of a refusal, whichever it is. It is never an accident of ours."""
    assert 400 <= response.status_code < 500 or response.status_code in {502, 503}, response.text
    assert response.headers["content-type"] == PROBLEM, response.text
    problem: dict[str, Any] = response.json()
    assert problem["status"] == response.status_code
    assert problem["request_id"] == response.headers["x-request-id"] != ""
    assert ("www-authenticate" in response.headers) == (response.status_code == 401)
    assert ("retry-after" in response.headers) == (response.status_code in {429, 503})
    return problem


def field_error_of(response: httpx2.Response) -> tuple[str, str]:
    """Return pointer and code of the one field that was refused."""
    errors = problem_of(response, 422, "VALIDATION_FAILED")["errors"]
    assert len(errors) == 1, errors
    return errors[0]["pointer"], errors[0]["code"]


def field_errors_of(response: httpx2.Response) -> set[str]:
    """Return the pointers of all fields that were refused."""
    return {error["pointer"] for error in problem_of(response, 422, "VALIDATION_FAILED")["errors"]}


def check_nothing_repeated(response: httpx2.Response, *inputs: str) -> None:
    """Assert that neither the body nor a header of an answer holds what was sent."""
    for text in (CANARY, *inputs):
        assert text not in response.text, response.text
        assert text not in str(response.headers), response.headers


def without_request_id(response: httpx2.Response) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Return status, body and headers of an answer without the request's id, to be compared with another's."""
    body = {name: value for name, value in response.json().items() if name != "request_id"}
    headers = {name: value for name, value in response.headers.items() if name != "x-request-id"}
    return response.status_code, body, headers
