"""A setting that is wrong is named."""

import pytest

from handlers.image_classification import ImageSettings
from handlers.image_ensemble import EnsembleSettings
from handlers.named_entities import EntitySettings
from handlers.settings import Settings, SettingsError

GOOD = {"task": "image_classification", "labels": ["ant", "bee"]}


def test_what_is_left_out_has_its_default() -> None:
    settings = ImageSettings({**GOOD, "size": 96})
    assert (settings.size, settings.resize, settings.labels) == (96, 256, ["ant", "bee"])
    assert ImageSettings(settings.as_dict()).as_dict() == settings.as_dict()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"sise": 224}, "handler.sise"),
        ({"size": "224"}, "handler.size"),
        ({"size": True}, "handler.size"),
        ({"size": 2.5}, "handler.size"),
        ({"size": 0}, "handler.size"),
        ({"max_bytes": -1}, "handler.max_bytes"),
        ({"labels": "ant"}, "handler.labels"),
        ({"task": None}, "handler.task"),
        ({"memory_mb": -1}, "handler.memory_mb"),
        ({"output": "numbers"}, "handler.output"),
        ({"labels": ["crane", "bee", "crane"]}, "handler.labels .*crane$"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, object], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        ImageSettings({**GOOD, **change})


def test_what_is_missing_is_named() -> None:
    with pytest.raises(SettingsError, match=r"handler\.labels"):
        ImageSettings({"task": "image_classification"})


@pytest.mark.parametrize("settings_type", [ImageSettings, EnsembleSettings, EntitySettings])
def test_labels_that_are_alike_are_named(settings_type: type[Settings]) -> None:
    """The likelier of two would disappear from the answer."""
    with pytest.raises(SettingsError, match=r"handler\.labels has more than once: bee, crane"):
        settings_type({"task": "any", "labels": ["crane", "bee", "ant", "crane", "bee", "crane"]})
