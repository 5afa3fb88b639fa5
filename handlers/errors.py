"""What can go wrong with one request, each with the HTTP status it is answered with."""

from typing import Any, Dict


class RequestError(Exception):
    """One request that can't be answered; it costs its batch neighbours nothing.

    The message goes to the client: it says what was wrong and what is allowed, and never holds a path,
    a traceback or a piece of the input.
    """

    status = 400

    def body(self) -> Dict[str, Any]:
        """The error in TorchServe's own form: ``{"code", "type", "message"}``."""
        return {"code": self.status, "type": type(self).__name__, "message": str(self)}


class EmptyBody(RequestError):
    """Nothing was sent."""


class MalformedJson(RequestError):
    """The body says it is JSON and is not."""


class MalformedForm(RequestError):
    """The body says it is a form and is not, or a part of it has no name."""


class MalformedBase64(RequestError):
    """A field that must hold base64 holds something else."""


class WrongEncoding(RequestError):
    """Bytes that are no UTF-8, or a text that no encoding can carry."""


class UndecodableImage(RequestError):
    """The bytes are no picture, or a damaged one."""


class PayloadTooLarge(RequestError):
    """More bytes than the model takes."""

    status = 413


class ImageTooLarge(RequestError):
    """More pixels than the model takes."""

    status = 413


class TextTooLong(RequestError):
    """More characters than the model takes."""

    status = 413


class OutOfMemory(RequestError):
    """More memory than a worker may use for its requests."""

    status = 413


class UnsupportedType(RequestError):
    """A content type, an encoding or a picture format that the model does not take."""

    status = 415


class MissingField(RequestError):
    """Well formed, but without the field that holds the input."""

    status = 422


class UnusableInput(RequestError):
    """Well formed, but nothing that the model can work on."""

    status = 422


class DeadlineExceeded(RequestError):
    """Not done in the time that the server gives a batch."""

    status = 504


class ModelError(RequestError):
    """The model's own fault for this one item: an exception, or an answer that is no number."""

    status = 500
