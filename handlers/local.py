"""An archive without a server: the context that a server would hand to ``handle``, and a call that fills it."""

from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple


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
