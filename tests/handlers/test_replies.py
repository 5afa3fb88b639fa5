"""What MMS sends its Java side can be read whole, in whatever pieces it arrives."""

import struct
from collections.abc import Iterator
from http import HTTPStatus

import mms.context
from hypothesis import given
from hypothesis import strategies as st
from mms.context import RequestProcessor
from mms.protocol.otf_message_handler import create_predict_response

from handlers.replies import CONTENT_TYPE, PIECE, set_replies

ANSWERS = st.lists(
    st.tuples(st.sampled_from([200, 400, 413, 415, 422, 500, 504]), st.binary(max_size=300)), min_size=1, max_size=40
)
TIMING = st.floats(0, 10_000).map("preprocess;dur={:.2f}".format)


def encode(answers: list[tuple[int, bytes]], timing: str) -> bytes:
    """The batch as MMS's own code encodes it."""
    context = mms.context.Context("colours", ".", {}, 8, None, "1.1.11")
    ids = {index: f"{index:036}" for index in range(len(answers))}
    context.request_ids = ids
    context.request_processor = [RequestProcessor({}) for _ in answers]
    set_replies(context, answers, {"Server-Timing": timing, "X-Batch-Size": str(len(answers))})
    return bytes(
        create_predict_response([body for _, body in answers], ids, "Prediction success", 200, context=context)
    )


class Reader:
    """The message as Java reads it."""

    def __init__(self, message: bytes) -> None:
        self.message, self.place = message, 0

    def number(self) -> int:
        (found,) = struct.unpack_from("!i", self.message, self.place)
        self.place += 4
        return int(found)

    def text(self) -> bytes:
        length = self.number()
        self.place += length
        return self.message[self.place - length : self.place]


def read(message: bytes) -> Iterator[tuple[int, bytes, int, bytes, int, bytes]]:
    """Of each answer: where its status begins, its content type, status, phrase, number of headers and body."""
    reader = Reader(message)
    assert (reader.number(), reader.text()) == (200, b"Prediction success")
    while reader.message[reader.place :] != struct.pack("!i", -1):
        reader.text()
        content_type, place = reader.text(), reader.place
        yield place, content_type, reader.number(), reader.text(), reader.number(), reader.text()


@given(ANSWERS, TIMING)
def test_no_piece_ends_where_java_would_drop_the_worker(answers: list[tuple[int, bytes]], timing: str) -> None:
    found = list(read(encode(answers, timing)))
    assert [(status, body) for _, _, status, _, _, body in found] == answers
    for place, content_type, status, phrase, headers, _ in found:
        assert headers == 0
        assert phrase.decode() == HTTPStatus(status).phrase
        assert not any(end % PIECE == 0 for end in range(place, place + 4))
        assert content_type.startswith(CONTENT_TYPE.encode())
        assert f'server-timing="{timing}"'.encode() in content_type
        assert f'x-batch-size="{len(answers)}"'.encode() in content_type
