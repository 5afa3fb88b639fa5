"""Status and headers of a batch's answers, as each server takes them.

MMS sends a batch's answers from its worker to its Java side as one message, and Java (ModelResponseDecoder, as of 1.1.2
and 1.1.11) reads two things in it wrongly where the message comes in pieces, as it does whenever a batch is larger than
those before it: the map of an answer's headers, and the four bytes of its status. It then drops the worker with all its
requests. So there the map stays empty, the headers are parameters of the content type, and that is filled up until no
piece can end within a status.
"""

from http import HTTPStatus
from typing import Any, Dict, Mapping, Sequence, Tuple

CONTENT_TYPE = "application/json"
# Netty reads into buffers of a multiple of this size (AdaptiveRecvByteBufAllocator), so pieces end at multiples of it.
PIECE = 16
# mms.protocol.otf_message_handler.create_predict_response: before the first answer a status and a text, then of each
# answer its id, content type, status, phrase, headers and body. Every length is four bytes, and so is a status.
NUMBER = 4
BEFORE_ANSWERS = NUMBER + NUMBER + len("Prediction success")


class ContentTypeAlone(Dict[str, str]):
    """Headers of which MMS finds the content type, but none that it would put into the map."""

    def __len__(self) -> int:
        return 0

    def items(self) -> Any:
        return ()


def set_replies(context: Any, answers: Sequence[Tuple[int, bytes]], headers: Mapping[str, str]) -> None:
    """Sets what each request is answered with beside its body: its status, and the headers, which all of them share."""
    for index, (status, _) in enumerate(answers):
        context.set_response_status(code=status, phrase=HTTPStatus(status).phrase, idx=index)
    if is_mms(context):
        set_content_types(context, answers, headers)
        return
    for index in range(len(answers)):
        context.set_response_content_type(index, CONTENT_TYPE)
        for name, value in headers.items():
            context.set_response_header(index, name, value)


def is_mms(context: Any) -> bool:
    """Whether it is MMS that asks; TorchServe calls itself so too."""
    return type(context).__module__.partition(".")[0] == "mms"


def set_content_types(context: Any, answers: Sequence[Tuple[int, bytes]], headers: Mapping[str, str]) -> None:
    """Gives each answer a content type that ends where its status is safe."""
    parameters = "; ".join('%s="%s"' % (name.lower(), value) for name, value in headers.items())
    place = BEFORE_ANSWERS
    for index, (status, body) in enumerate(answers):
        place += NUMBER + len(context.get_request_id(index).encode("utf-8")) + NUMBER
        content_type = "%s; %s" % (CONTENT_TYPE, parameters)
        while not 0 < (place + len(content_type)) % PIECE <= PIECE - NUMBER:
            content_type = content_type.replace(";", "; ", 1)
        context.request_processor[index]._response_header = ContentTypeAlone({"content-type": content_type})
        place += len(content_type) + NUMBER
        place += NUMBER + len(HTTPStatus(status).phrase) + NUMBER + NUMBER + len(body)
