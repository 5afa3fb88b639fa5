"""A model's card: what was measured of its variants, where anything was. Runs where there is no torch."""

from typing import Any

import pytest

from models.cards import BEGIN, END, VARIANTS_BEGIN, VARIANTS_END, write_card
from tests.conftest import ROOT

CARD = f"# A model\n\n{BEGIN}\n{END}\n\n{VARIANTS_BEGIN}\n{VARIANTS_END}\n\n## Terms\n"


def measured(metric: str = "f1", **others: Any) -> dict[str, Any]:
    """A ``variants.json`` of two variants."""
    row = {"variant": "float32", "runtime": "onnxruntime", "metric": metric, "value": 0.62, "drop": 0.0}
    row |= {"agreement": 1.0, "speed_up": 1.0, "passed": True, "reason": ""}
    refused = {"variant": "int8", "runtime": "openvino", "value": 0.5, "drop": 0.12, "agreement": 0.75}
    refused |= {"speed_up": 2.9, "passed": False, "reason": "int8 is refused"}
    return {
        "machine": "a processor, 2 cores",
        "versions": {"onnx": "1.2", "numpy": "3.4"},
        "data": "dev, 40 inputs",
        "variants": [row | others, row | refused | others],
    }


def write(variants: dict[str, Any] | None, card: str = CARD) -> str:
    return write_card(card, {"photos": 40}, [lambda figures: [f"{figures['photos']} photos"]], variants)


def test_the_card_tells_every_variant_with_its_machine_and_why_one_is_refused() -> None:
    card = write(measured())
    assert "## Variants" in card
    assert "measured on dev, 40 inputs; its speed on a processor, 2 cores,\nwith onnx 1.2, numpy 3.4." in card
    assert "| variant | engine | F1 | worse by | same answer | speed | |" in card
    assert "| float32 | ONNX Runtime | 0.6200 | 0.0000 | 100.0% | 1.00 times | passes |" in card
    assert "| int8 | OpenVINO | 0.5000 | 0.1200 | 75.0% | 2.90 times | int8 is refused |" in card


def test_without_labelled_data_the_answers_alone_are_compared() -> None:
    card = write(measured("", value=None, drop=None))
    assert "| quality | worse by |" in card
    assert "| float32 | ONNX Runtime |  |  | 100.0% |" in card


def test_without_measurements_there_is_no_such_section() -> None:
    card = write(None)
    assert "Variants" not in card
    assert card == write(None, write(measured()))  # one that was there goes
    assert write(measured(), card) == write(measured())
    assert card.endswith(f"{VARIANTS_BEGIN}\n{VARIANTS_END}\n\n## Terms\n")


@pytest.mark.parametrize("path", sorted((ROOT / "models").glob("*/figures.json")), ids=lambda path: path.parent.name)
def test_every_card_has_a_place_for_them(path: Any) -> None:
    card = (path.parent / "README.md").read_text()
    assert card.count(VARIANTS_BEGIN) == card.count(VARIANTS_END) == 1
