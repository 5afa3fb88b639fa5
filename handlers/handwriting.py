"""A handwritten character, for clients of the old system too: their fields in JSON, and their form of answer.

A question ``{"esun_uuid", "esun_timestamp", "image", "retry"}`` is answered with
``{"esun_uuid", "server_uuid", "answer", "server_timestamp"}``; any other request as ``image_ensemble`` does.
"""

import time
import uuid
from typing import Any, ClassVar, Dict, Optional, Sequence

import numpy as np

from .errors import UnusableInput
from .image_ensemble import ImageEnsemble, Pixels
from .payloads import JSON_TYPE, LONGEST_INT, Payload, read_field

# What marks a question of the old system; "image" stands in the ordinary one too.
OLD_FIELDS = ("esun_uuid", "esun_timestamp", "retry")
MAX_UUID_CHARS = 256
OLD_SCHEMA = {
    "type": "object",
    "properties": {
        "esun_uuid": {"type": "string", "maxLength": MAX_UUID_CHARS},
        "server_uuid": {"type": "string", "format": "uuid"},
        "answer": {"type": "string"},
        "server_timestamp": {"type": "integer", "description": "seconds since 1970"},
    },
    "required": ["esun_uuid", "server_uuid", "answer", "server_timestamp"],
    "additionalProperties": False,
}


class Question:
    """One picture, and the id that an old client gave it."""

    def __init__(self, pixels: Pixels, esun_uuid: Optional[str] = None) -> None:
        self.pixels = pixels
        self.esun_uuid = esun_uuid


class Handwriting(ImageEnsemble):
    answer_schema: ClassVar[Dict[str, Any]] = {"anyOf": [ImageEnsemble.answer_schema, OLD_SCHEMA]}

    def preprocess(self, payload: Payload) -> Question:
        """A ``Question``; from raw bytes, or from JSON with or without the old system's fields."""
        document = payload.read_json("image/")
        if not isinstance(document, dict):
            return Question(super().preprocess(payload))
        is_old = any(field in document for field in OLD_FIELDS)
        esun_uuid = read_esun_uuid(document) if is_old else None
        return Question(super().preprocess(Payload(document, JSON_TYPE)), esun_uuid)

    def inference(self, inputs: Sequence[Question]) -> "np.ndarray[Any, Any]":
        return super().inference([question.pixels for question in inputs])

    def postprocess(self, output: "np.ndarray[Any, Any]", request: Question) -> Dict[str, Any]:
        answer = super().postprocess(output, request)
        if request.esun_uuid is None:
            return answer
        return {
            "esun_uuid": request.esun_uuid,
            "server_uuid": str(uuid.uuid4()),
            "answer": answer["answer"],
            "server_timestamp": int(time.time()),
        }

    def example(self) -> Question:
        return Question(super().example())


def read_esun_uuid(document: Dict[str, Any]) -> str:
    """The id of an old system's question, all of whose fields are there and of their types.

    Raises MissingField and UnusableInput.
    """
    for field, kind, name in (
        ("esun_uuid", str, "text"),
        ("esun_timestamp", int, "a whole number of at most %d digits" % LONGEST_INT),
        ("image", str, "base64 text"),
        ("retry", int, "a whole number of at most %d digits" % LONGEST_INT),
    ):
        value = read_field(document, field)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise UnusableInput('The field "%s" must hold %s.' % (field, name))
    esun_uuid: str = document["esun_uuid"]
    if len(esun_uuid) > MAX_UUID_CHARS:
        raise UnusableInput('The field "esun_uuid" may have at most %d characters.' % MAX_UUID_CHARS)
    return esun_uuid
