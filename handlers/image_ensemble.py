"""One label for a picture by the vote of several models: the answer is the mean of their probabilities."""

import os
from typing import Any, Callable, ClassVar, Dict, List, Mapping, Sequence

import numpy as np

from .base import Handler
from .image_formats import FORMATS, check_formats
from .image_headers import MAX_PIXELS
from .images import decoded_image, pad_and_resize, require_decoders
from .payloads import Payload
from .probabilities import flatten_classes, read_probabilities
from .runtime import Model
from .settings import CHOICES, Settings, SettingsError

# One picture for all members: its pixels, uint8 (size, size, 3) RGB, by the size that members take.
Pixels = Dict[int, "np.ndarray[Any, Any]"]
ALL_LOGITS: List[str] = []
PROBABILITY = {"type": "number", "minimum": 0, "maximum": 1}


class EnsembleSettings(Settings):
    input: str = "image"
    file: str = ""  # none: each member has its own
    members: List[str]  # the models, relative to the archive's root; a member is called as its file without the suffix
    sizes: List[int]  # pixels of the square's side, by member: what each takes
    labels: List[str]  # class names, by the index of every member's output
    outputs: List[str] = ALL_LOGITS  # or "probabilities", by member; `marina archive` finds it in the graphs
    top: int = 5  # how many labels an answer holds
    max_pixels: int = MAX_PIXELS  # of a picture before it is decoded
    max_aspect: int = 20  # of a picture: its long side in short sides
    formats: List[str] = FORMATS  # that are taken; AVIF may be added

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        check_formats(self.formats)
        if self.file:
            raise SettingsError("handler.file is one model's; an ensemble's are handler.members")
        if not self.members or len(set(self.names)) != len(self.members):
            raise SettingsError("handler.members must hold at least one file, and no name twice")
        if (self.outputs and len(self.outputs) != len(self.members)) or set(self.outputs) - set(CHOICES["output"]):
            raise SettingsError("handler.outputs must hold logits or probabilities for each of handler.members")
        if len(self.sizes) != len(self.members):
            raise SettingsError(
                "handler.sizes has %d numbers, but handler.members has %d files" % (len(self.sizes), len(self.members))
            )

    @property
    def names(self) -> List[str]:
        """The members' names."""
        return [os.path.splitext(os.path.basename(file))[0] for file in self.members]


class ImageEnsemble(Handler):
    settings_type = EnsembleSettings
    settings: EnsembleSettings
    answer_schema: ClassVar[Dict[str, Any]] = {
        "type": "object",
        "properties": {
            "answer": {"type": "string"},
            "probability": PROBABILITY,
            "top": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "properties": {
                        "label": {"type": "string"},
                        "probability": PROBABILITY,
                        "members": {"type": "object", "additionalProperties": PROBABILITY},
                    },
                    "required": ["label", "probability", "members"],
                    "additionalProperties": False,
                },
            },
            "members": {
                "type": "object",
                "additionalProperties": {
                    "type": "object",
                    "properties": {"answer": {"type": "string"}, "probability": PROBABILITY},
                    "required": ["answer", "probability"],
                    "additionalProperties": False,
                },
            },
        },
        "required": ["answer", "probability", "top", "members"],
        "additionalProperties": False,
    }

    def load(self, load_file: Callable[[str], Model]) -> None:
        """Loads every member, and asks each how many labels it knows. Raises SettingsError."""
        require_decoders(self.settings.formats)
        self.models = [load_file(file) for file in self.settings.members]
        for name, probabilities in zip(self.settings.names, self.ask_members([black(self.settings.sizes)])):
            classes = probabilities.shape[1]
            if classes != len(self.settings.labels):
                raise SettingsError(
                    "handler.labels has %d names, but the member %s has %d outputs"
                    % (len(self.settings.labels), name, classes)
                )

    def preprocess(self, payload: Payload) -> Any:
        """``Pixels``; from raw bytes, or from base64 in the JSON field "image"."""
        data = payload.read_bytes("image", "image/", self.settings.max_bytes)
        settings = self.settings
        limits = (settings.max_pixels, settings.max_aspect, max(settings.sizes), settings.formats)
        with decoded_image(data, *limits) as image:
            return {size: pad_and_resize(image, size) for size in set(settings.sizes)}

    def inference(self, inputs: Sequence[Any]) -> "np.ndarray[Any, Any]":
        """float32 (batch, members, classes): every member's probability a class."""
        return np.stack(self.ask_members(inputs), axis=1)

    def ask_members(self, inputs: Sequence[Pixels]) -> List["np.ndarray[Any, Any]"]:
        """float32 (batch, classes) of each member: its probability a class."""
        batches = {size: np.stack([pixels[size] for pixels in inputs]) for size in set(self.settings.sizes)}
        kinds = self.settings.outputs or ["logits"] * len(self.models)
        outputs = (flatten_classes(model(batches[size])) for model, size in zip(self.models, self.settings.sizes))
        return [read_probabilities(output, kind) for output, kind in zip(outputs, kinds)]

    def postprocess(self, output: "np.ndarray[Any, Any]", request: Any) -> Dict[str, Any]:
        """The labels by the mean of the members' probabilities, and how each member votes."""
        mean = output.mean(axis=0)
        order = np.argsort(-mean, kind="stable")[: self.settings.top]
        top = [
            {
                "label": self.settings.labels[index],
                "probability": rounded(mean[index]),
                "members": {name: rounded(votes[index]) for name, votes in zip(self.settings.names, output)},
            }
            for index in order
        ]
        return {
            "answer": top[0]["label"],
            "probability": top[0]["probability"],
            "top": top,
            "members": {
                name: {"answer": self.settings.labels[int(votes.argmax())], "probability": rounded(votes.max())}
                for name, votes in zip(self.settings.names, output)
            },
        }

    def example(self) -> Any:
        return black(self.settings.sizes)


def black(sizes: Sequence[int]) -> Pixels:
    return {size: np.zeros((size, size, 3), np.uint8) for size in sizes}


def rounded(probability: float) -> float:
    return round(float(probability), 6)
