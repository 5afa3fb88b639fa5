"""One label for a picture: ``{"bee": 0.93, "ant": 0.07}``, the most likely first."""

from typing import Any, ClassVar, Dict, List, Mapping, Sequence

import numpy as np

from .base import Handler
from .image_formats import FORMATS, check_formats
from .image_headers import MAX_PIXELS
from .images import decoded_image, require_decoders, resize_and_crop
from .payloads import Payload
from .probabilities import flatten_classes, read_probabilities
from .settings import Settings, SettingsError


class ImageSettings(Settings):
    input: str = "image"
    labels: List[str]  # class names, by the index of the model's output
    output: str = "logits"  # or "probabilities": what the model gives; `marina archive` finds it in the graph
    resize: int = 256  # pixels of the short side before the crop
    size: int = 224  # pixels of the crop's side: what the model takes
    top: int = 5  # how many labels an answer holds
    max_pixels: int = MAX_PIXELS  # of a picture before it is decoded
    formats: List[str] = FORMATS  # that are taken; AVIF may be added

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        check_formats(self.formats)


class ImageClassification(Handler):
    settings_type = ImageSettings
    settings: ImageSettings
    answer_schema: ClassVar[Dict[str, Any]] = {
        "type": "object",
        "additionalProperties": {"type": "number", "minimum": 0, "maximum": 1},
    }

    def initialize(self, context: Any) -> None:
        super().initialize(context)
        require_decoders(self.settings.formats)
        classes = self.inference([self.example()]).shape[1]
        if classes != len(self.settings.labels):
            raise SettingsError(
                "handler.labels has %d names, but the model has %d outputs" % (len(self.settings.labels), classes)
            )

    def preprocess(self, payload: Payload) -> "np.ndarray[Any, Any]":
        """uint8 (size, size, 3), RGB; from raw bytes, or from base64 in the JSON field "image"."""
        data = payload.read_bytes("image", "image/", self.settings.max_bytes)
        limits = (self.settings.max_pixels, None, self.settings.resize, self.settings.formats)
        with decoded_image(data, *limits) as image:
            return resize_and_crop(image, self.settings.resize, self.settings.size)

    def inference(self, inputs: Sequence["np.ndarray[Any, Any]"]) -> "np.ndarray[Any, Any]":
        """float32 (batch, classes): a probability a class."""
        return read_probabilities(flatten_classes(self.model(np.stack(inputs))), self.settings.output)

    def postprocess(self, output: "np.ndarray[Any, Any]", request: Any) -> Dict[str, float]:
        order = np.argsort(-output, kind="stable")[: self.settings.top]
        return {self.settings.labels[index]: round(float(output[index]), 6) for index in order}

    def example(self) -> "np.ndarray[Any, Any]":
        return np.zeros((self.settings.size, self.settings.size, 3), np.uint8)
