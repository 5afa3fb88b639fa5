"""An archive without a server: the context that a server would hand to ``handle``, and calls that fill it."""

import json
import os
import sys
from typing import IO, Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from .payloads import SENT_TYPE


class LocalRequest:
    """One request's headers going in, its status and headers coming out."""

    def __init__(self, headers: Optional[Mapping[str, Any]] = None) -> None:
        self.headers = headers or {}
        self.status = 200
        self.response_headers: Dict[str, str] = {}

    def get_request_properties(self) -> Mapping[str, Any]:
        return self.headers


class LocalContext:
    """What ``Handler`` needs of TorchServe's or MMS's context."""

    def __init__(self, model_dir: Any, model_name: Optional[str] = None) -> None:
        self.model_name = model_name
        self.system_properties = {"model_dir": str(model_dir), "gpu_id": None}
        self.request_processor: List[LocalRequest] = []

    def set_response_status(self, code: int, phrase: str, idx: int) -> None:
        self.request_processor[idx].status = code

    def set_response_content_type(self, idx: int, value: str) -> None:
        self.set_response_header(idx, "content-type", value)

    def set_response_header(self, idx: int, key: str, value: str) -> None:
        self.request_processor[idx].response_headers[key] = value


def answer_batch(
    handle: Callable[..., Any],
    context: LocalContext,
    rows: Sequence[Mapping[str, Any]],
    headers: Optional[Iterable[Mapping[str, Any]]] = None,
) -> List[Tuple[int, str]]:
    """One batch through ``handle``: ``rows`` as a server gives them, ``headers`` one mapping a row.

    Returns (status, body as text) a row, in order.
    """
    context.request_processor = [LocalRequest(each) for each in headers or [{} for _ in rows]]
    bodies = handle(rows, context)
    return [(request.status, body.decode("utf-8")) for request, body in zip(context.request_processor, bodies)]


def answer_all(handle: Callable[..., Any], model_dir: Any, inputs: Sequence[bytes]) -> List[Tuple[int, str]]:
    """Initialises an unpacked archive and answers raw bodies with it; (status, body) each."""
    context = LocalContext(model_dir)
    handle(None, context)
    return answer_batch(handle, context, [{"body": data} for data in inputs]) if inputs else []


def answer_pipe(handle: Callable[..., Any], model_dir: Any, model_name: str) -> None:
    """Answers batches from standard input on standard output until it ends; how ``marina run`` and notebooks ask.

    A batch is a line of JSON, a list of {"headers", "size"}, and then the bodies' bytes one after another; its answer
    the same way, {"status", "headers", "size"} a body. An empty answer comes first, when the model is loaded.
    """
    source = sys.stdin.buffer
    with os.fdopen(os.dup(1), "wb") as sink:
        os.dup2(2, 1)  # what a library prints is no answer
        context = LocalContext(model_dir, model_name)
        handle(None, context)
        write_rows(sink, [], [])
        for heads, contents in iter(lambda: read_rows(source), None):
            context.request_processor = [LocalRequest(as_sent(head["headers"])) for head in heads]
            bodies = handle([{"body": content} for content in contents], context)
            answers = [{"status": each.status, "headers": each.response_headers} for each in context.request_processor]
            write_rows(sink, answers, bodies)


def as_sent(headers: Mapping[str, str]) -> Dict[str, str]:
    """A request's headers with its content type where a proxy writes it: no server has parsed its form."""
    return {SENT_TYPE if name.lower() == "content-type" else name: value for name, value in headers.items()}


def read_rows(source: IO[bytes]) -> Optional[Tuple[List[Dict[str, Any]], List[bytes]]]:
    """A batch's heads and bodies as ``write_rows`` wrote them, or None where the stream ends."""
    line = source.readline()
    if not line.endswith(b"\n"):
        return None
    heads = json.loads(line.decode("utf-8"))
    contents = [source.read(head["size"]) for head in heads]
    return (heads, contents) if all(len(each) == head["size"] for each, head in zip(contents, heads)) else None


def write_rows(sink: IO[bytes], heads: Sequence[Mapping[str, Any]], contents: Sequence[bytes]) -> None:
    """Writes heads and bodies, as many of the one as of the other."""
    sized = [dict(head, size=len(content)) for head, content in zip(heads, contents)]
    sink.write(json.dumps(sized).encode("utf-8") + b"\n")
    for content in contents:
        sink.write(content)
    sink.flush()
