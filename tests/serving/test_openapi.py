"""schemathesis makes requests of all kinds from the OpenAPI page: no answer is a 5xx, and each is as the page says."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from cotrain import load

pytest.importorskip("fastapi")
schemathesis = pytest.importorskip("schemathesis")


@pytest.fixture(scope="module")
def page(kept: Callable[..., Any]) -> Any:
    """The OpenAPI page of a service, without the longest text: texts beyond a million characters take the tester minutes to make."""
    from cotrain.serving.service import service

    app = service([load(kept("bert").folder, "cpu", "fp32")])
    schemas = app.openapi()["components"]["schemas"]
    del schemas["Document"]["properties"]["text"]["maxLength"], schemas["Texts"]["properties"]["texts"]["items"]["maxLength"]
    del schemas["Texts"]["properties"]["pairs"]["anyOf"][0]["items"]["maxLength"]
    return schemathesis.openapi.from_asgi("/openapi.json", app)


def test_the_page_has_every_path(page: Any) -> None:
    assert set(page) == {"/predict", "/process", "/tasks", "/health"}


@pytest.mark.parametrize(
    ("path", "method", "valid"),
    [("/predict", "POST", True), ("/process", "POST", True), ("/tasks", "GET", True), ("/health", "GET", True), ("/predict", "POST", False),
     ("/process", "POST", False)],
)  # fmt: skip
def test_no_request_breaks_the_service(path: str, method: str, valid: bool, page: Any) -> None:
    from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

    # which tasks there are, and that a span lies in its text, no page can say; and to the tester 413 is no refusal
    unsaid = [positive_data_acceptance, negative_data_rejection]
    mode = schemathesis.GenerationMode.POSITIVE if valid else schemathesis.GenerationMode.NEGATIVE
    statuses: set[int] = set()

    @settings(max_examples=60, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(page[path][method].as_strategy(generation_mode=mode))
    def requests(case: Any) -> None:
        statuses.add(case.call_and_validate(excluded_checks=unsaid).status_code)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the tester's own
        requests()
    assert (200 if valid else 422) in statuses and max(statuses) < 500
    assert valid or min(statuses) >= 400
