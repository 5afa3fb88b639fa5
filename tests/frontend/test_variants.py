"""The variants that were measured, on the page: the served one beside float32, and the refused ones with the reason."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.frontend.conftest import OpenPage


def measured(variant: str, runtime: str, value: float | None, speed_up: float | None, **others: Any) -> dict[str, Any]:
    """An entry of ``variants`` in models.json."""
    entry = {"variant": variant, "runtime": runtime, "metric": "accuracy", "value": value, "drop": 0.0}
    return entry | {"agreement": 1.0, "speed_up": speed_up, "passed": True, "reason": ""} | others


VARIANTS = [
    measured("float32", "onnxruntime", 0.8219, 1.0),
    measured("int8", "openvino", 0.8356, 2.94, drop=-0.0137, agreement=0.975),
    measured("int8", "onnxruntime", 0.5, 1.8, passed=False, reason="int8 is refused: <b>0.5</b> is too little"),
]


def row(page: Page, variant: str, runtime: str) -> Any:
    return page.locator(f"#variants tr[data-variant={variant}][data-runtime={runtime}]")


def test_the_served_variant_stands_beside_float32_and_the_refused_one_with_its_reason(open_page: OpenPage) -> None:
    page = open_page("colours", variant="int8", runtime="openvino", variants=VARIANTS)
    expect(page.locator("#facts")).to_contain_text("int8 in OpenVINO")
    expect(page.locator("#variant")).to_have_text(
        "int8 in OpenVINO: 2.9 times as fast as float32, accuracy 0.836 (float32: 0.822)."
    )
    expect(page.locator("#variants tbody tr")).to_have_count(3)
    served = row(page, "int8", "openvino")
    expect(served.locator("td")).to_have_text(["0.836", "97.5%", "2.9 times"])
    expect(served).to_contain_text("served")
    refused = row(page, "int8", "onnxruntime")
    expect(refused).to_contain_text("int8 is refused: <b>0.5</b> is too little")
    expect(page.locator("#variants .refused")).to_have_count(1)
    expect(page.locator("#variants caption")).to_have_text("Same answer and speed: beside float32 in ONNX Runtime.")
    assert page.locator("#variants b").count() == 0


def test_what_was_not_measured_is_left_open(open_page: OpenPage) -> None:
    variants = [
        measured("float32", "onnxruntime", None, 1.0, metric=None, drop=None),
        measured("bf16", "openvino", None, None, metric=None, drop=None),
    ]
    page = open_page("colours", variant="bf16", runtime="openvino", variants=variants)
    expect(page.locator("#variant")).to_have_text("bf16 in OpenVINO.")
    expect(row(page, "bf16", "openvino").locator("td")).to_have_text(["", "100%", ""])


def test_float32_is_compared_with_nothing(open_page: OpenPage) -> None:
    page = open_page("colours", variant="float32", runtime="onnxruntime", variants=VARIANTS)
    expect(page.locator("#variant")).to_have_text("float32 in ONNX Runtime: accuracy 0.822.")


@pytest.mark.parametrize("variants", [[], None])
def test_without_measurements_nothing_is_claimed(open_page: OpenPage, variants: list[Any] | None) -> None:
    page = open_page("colours", variants=variants)
    expect(page.locator("#variants")).to_be_hidden()


def test_the_next_models_page_does_not_keep_them(open_page: OpenPage) -> None:
    page = open_page("colours", variant="int8", runtime="openvino", variants=VARIANTS)
    expect(page.locator("#variants")).to_be_visible()
    page.get_by_role("link", name="Easy words").click()
    expect(page.locator("#title")).to_have_text("Easy words")
    expect(row(page, "int8", "openvino")).to_have_count(0)


def test_the_table_fits_a_narrow_window(open_page: OpenPage) -> None:
    page = open_page("colours", variant="int8", runtime="openvino", variants=VARIANTS)
    page.set_viewport_size({"width": 320, "height": 700})
    expect(page.locator("#variants")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
