"""Texts that tokenizers, normalizers and JSON get wrong, and the JSON around them."""

import json
import random

SCRIPTS = (
    "Ada Lovelace met Charles Babbage in London.",
    "Ἀριστοτέλης Москва 東京都 서울특별시 بيت المقدس ירושלים नई दिल्ली",
    "I\u0307stanbul \u1e9e\u00df \ufb01\ufb02 \u01c6 \u0132",
)
ODD = (
    *(chr(code) for code in (0, 1, 7, 8, 9, 10, 11, 12, 13, 27, 31, 127, 128, 133, 159, 160, 173)),
    *("\u200b", "\u200c", "\u200d", "\u200e", "\u200f", "\u202a", "\u202b", "\u202d", "\u202e", "\u202c"),
    *("\u2066", "\u2067", "\u2068", "\u2069", "\u2028", "\u2029", "\u2060", "\ufeff", "\ufffd", "\ufffe", "\uffff"),
    *(
        "\ue000",
        "\U000f0000",
        "\U0010ffff",
        "\U000e0001",
        "\U000e0041",
        "\ufe0f",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    ),
    *(
        "\U0001f1e9\U0001f1ea",
        "\u0301",
        "\u0489",
        "\u20dd",
        "\u3099",
        "\u1100\u1161\u11a8",
        "\ufdfa",
        "\u2163",
        "\u00bd",
    ),
)
SPECIAL = ("[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]", "##", "<s>", "</s>", "{{7*7}}", "$(id)", "%s%n%x", "../../etc")
ESCAPES = ("\\ud800", "\\udfff", "\\udc00\\ud800", "\\ud83d\\ude00", "\\u0000", "\\uFFFF", "\\u00e9", "\\/", "\\b\\f")
BAD_ESCAPES = ("\\x41", "\\u12", "\\u{41}", "\\U0001F600", "\\0", "\\", "\\uD8", "\\'")
NUMBERS = (
    *("0", "-0", "1e5", "1E400", "-1e-400", "1" * 19, "9" * 400, "0." + "3" * 400, "1e" + "9" * 30, "01", "+1", ".5"),
    *("1.", "0x10", "NaN", "Infinity", "-Infinity", "1_000", "--1", "1e", "٣"),
)
LENGTHS = (1, 2, 9, 10, 50, 500, 511, 513, 2000)
LONG_LENGTHS = (20_000, 99_999, 100_000, 100_001, 400_000)


def odd_text(rng: random.Random, canary: str) -> str:
    """A text of pieces, each odd in its own way, with the canary among them."""
    pieces = [rng.choice(PIECES)(rng) for _ in range(rng.randrange(1, 6))]
    pieces.insert(rng.randrange(len(pieces) + 1), canary)
    text = rng.choice((" ", "", "\n", " ")).join(pieces)
    # Now and then a long one: each costs a worker a second and more.
    length = rng.choice(LONG_LENGTHS) if rng.random() < 0.004 else rng.choice((*LENGTHS, 4000))
    return (text * (length // len(text) + 1))[:length] if rng.random() < 0.02 or length <= 2000 else text


PIECES = (
    lambda rng: rng.choice(SCRIPTS),
    lambda rng: rng.choice(SCRIPTS),
    lambda rng: rng.choice(ODD) * rng.choice((1, 2, 30)),
    lambda rng: "".join(rng.choice(ODD) for _ in range(rng.randrange(1, 40))),
    lambda rng: rng.choice("aäझ中") + rng.choice(("\u0301", "\u0489", "\u3099")) * rng.choice((1, 20, 500)),
    lambda rng: rng.choice("aZ9-_.@ß中") * rng.choice((60, 101, 300, 3000)),
    lambda rng: "".join(
        chr(rng.choice((rng.randrange(32, 0xD800), rng.randrange(0xE000, 0x110000)))) for _ in range(30)
    ),
    lambda rng: rng.choice(SPECIAL) * rng.choice((1, 3)),
    lambda rng: rng.choice((" ", "\t", "\r\n", "\u3000", "\u00a0")) * rng.choice((1, 10, 500)),
    lambda rng: ". ".join(rng.choice(("Dr", "U.S", "A", "e.g", "Paris", "3.14", "!?", "...")) for _ in range(60)),
    lambda rng: rng.choice("([{<\"'«“") * rng.choice((1, 100)),
)


def text_bytes(rng: random.Random, text: str) -> bytes:
    """The text in UTF-8, or in what is none."""
    choice = rng.random()
    if choice < 0.7:
        return text.encode()
    if choice < 0.8:
        return text.encode(rng.choice(("utf-16", "utf-16-le", "utf-32", "utf-8-sig", "utf-7")))
    content = bytearray(text.encode())
    bad = rng.choice(
        (b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x80", b"\xe2\x82", b"\xf8\x88\x80\x80\x80")
    )
    place = rng.randrange(len(content) + 1)
    content[place:place] = bad
    return bytes(content)


def odd_json(rng: random.Random, field: str, value: str, canary: str) -> bytes:
    """A document that should hold ``value`` in a field, with something about it that a parser may get wrong."""
    good = json.dumps({field: value}, ensure_ascii=rng.random() < 0.5)
    quoted = json.dumps(value)
    number = rng.choice(NUMBERS)
    other = rng.choice(("null", "true", "[]", "{}", f"[{quoted}]", json.dumps({field: value})))
    depth = rng.choice((1, 10, 500, 990, 1010, 20_000, 200_000)) if rng.random() < 0.3 else rng.choice((1, 10, 100))
    text = rng.choice(
        (
            good,
            good,
            f'{{"{field}": {quoted[:-1]}{rng.choice(ESCAPES)}"}}',
            f'{{"{field}": {quoted[:-1]}{rng.choice(BAD_ESCAPES)}"}}',
            f'{{"{field}": {number}}}',
            f'{{"{field}": {quoted}, "{canary}": {number}}}',
            f'{{"{field}": {quoted}, "{field}": {rng.choice((quoted, number, "null"))}}}',
            f'{{"{field}": {other}}}',
            f'{{"{field.upper()}": {quoted}}}',
            f'{{"{canary}": {quoted}}}',
            f"[{quoted}, {number}]",
            quoted,
            number,
            f"{good}{good}",
            f"{good},",
            f'{{"{field}": {quoted},}}',
            f"{{'{field}': {quoted}}}",
            f'{{"{field}": {quoted} /* {canary} */}}',
            f"{{{field}: {quoted}}}",
            good[: rng.randrange(len(good))],
            "[" * depth + quoted + "]" * rng.choice((depth, 0)),
            '{"a":' * depth + quoted + "}" * depth,
            f'{{"{field}": {quoted}, "x": {"[" * depth + "]" * depth}}}',
            "{"
            + ", ".join(f'"{canary}{index}": {index}' for index in range(rng.choice((3, 2000))))
            + f', "{field}": {quoted}}}',
            f'{{"{field}": "{canary}\n\t\x01"}}',
            " " * rng.choice((1, 5000)) + good + "\n" * rng.choice((1, 5000)),
            f'{{"esun_uuid": "{canary}", "esun_timestamp": {number}, "image": {quoted}, "retry": {number}}}',
            f'{{"esun_uuid": {quoted}, "esun_timestamp": 1, "image": {quoted}, "retry": 1}}',
        )
    )
    choice = rng.random()
    if choice < 0.06:
        return b"\xef\xbb\xbf" * rng.choice((1, 2)) + text.encode()
    if choice < 0.1:
        return text.encode(rng.choice(("utf-16", "utf-16-le", "utf-32-be")))
    return text.encode() if choice < 0.97 else text.encode() + b"\xff"
