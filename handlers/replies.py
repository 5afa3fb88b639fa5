"""Status and headers of one request's answer, as each server takes them."""

from http import HTTPStatus
from typing import Any, Dict, Mapping

CONTENT_TYPE = "application/json"


class ContentTypeAlone(Dict[str, str]):
    """Headers that MMS sends its Java side as a content type, and not again as a map.

    Java reads the map wrongly where it comes in two pieces, as it does whenever a batch is larger than the last ones
    were; it then drops the worker with all of its requests (MMS 1.1.11, CodecUtils.readMap).
    """

    def __len__(self) -> int:
        return 0

    def items(self) -> Any:
        return ()


def set_reply(context: Any, index: int, status: int, headers: Mapping[str, str]) -> None:
    """Sets what is answered beside the body; on MMS the headers are parameters of the content type."""
    context.set_response_status(code=status, phrase=HTTPStatus(status).phrase, idx=index)
    if is_mms(context):
        parameters = "".join('; %s="%s"' % (name.lower(), value) for name, value in headers.items())
        context.request_processor[index]._response_header = ContentTypeAlone(
            {"content-type": CONTENT_TYPE + parameters}
        )
        return
    context.set_response_content_type(index, CONTENT_TYPE)
    for name, value in headers.items():
        context.set_response_header(index, name, value)


def is_mms(context: Any) -> bool:
    """Whether it is MMS that asks; TorchServe calls itself so too."""
    return type(context).__module__.partition(".")[0] == "mms"
