"""Multipart forms with every fault of their headers, boundaries and parts."""

import base64
import random

BOUNDARIES = ("b", "-" * 24 + "7d3f", "a" * 69, "a" * 70, "a" * 71, "a" * 500, "with space", "q'()+_,-./:=?", "ü")
CHARSETS = (
    "utf-8",
    "UTF-8",
    "",
    "nobody",
    "utf-16",
    "x" * 300,
    "us-ascii",
    "iso-8859-1",
    "\x00",
    "../../x",
    "UTF-7",
    '"',
)
ENCODINGS = ("base64", "quoted-printable", "7bit", "8bit", "binary", "BASE64", "nobody", "", "x-uuencode", "gzip")
TYPES = (
    "image/jpeg", "image/png", "text/plain", "application/json", "application/octet-stream", "", "text", "/", "image/",
    "multipart/mixed; boundary=inner", "text/plain; charset=nobody", "text/plain; charset=", "message/rfc822",
    "application/json; charset=iso-8859-1", "text/plain;;;;", "x" * 2000,
)  # fmt: skip


def odd_form(rng: random.Random, value: bytes, canary: str) -> tuple[str, bytes]:
    """A content type and a form that should hold ``value`` in the part named data."""
    boundary = rng.choice(BOUNDARIES) if rng.random() < 0.3 else "----" + canary
    parts = [make_part(rng, value, canary)]
    change = rng.random()
    if change < 0.1:
        parts.append(make_part(rng, value, canary))  # two of them
    elif change < 0.2:
        parts.insert(
            rng.randrange(2), make_part(rng, canary.encode(), canary, name=rng.choice(("text", canary, "body")))
        )
    elif change < 0.23:
        parts *= rng.choice((50, 1500)) if len(value) < 1000 else 3
    content = join_parts(rng, parts, boundary)
    if rng.random() < 0.05:
        content = content[: rng.randrange(len(content) + 1)]
    return form_type(rng, boundary, canary), content


def join_parts(rng: random.Random, parts: list[bytes], boundary: str) -> bytes:
    mark = b"--" + boundary.encode()
    ending = rng.choice((b"\r\n",) * 12 + (b"\n", b"\r", b""))
    content = b"".join(mark + ending + part + ending for part in parts)
    content = rng.choice((b"",) * 10 + (b"preamble\r\n", b"\r\n", b" ")) + content
    return content + rng.choice(
        (mark + b"--\r\n",) * 12 + (mark + b"--", mark, b"", mark + b"--\r\nepilogue", mark + b"-")
    )


def form_type(rng: random.Random, boundary: str, canary: str) -> str:
    kind = rng.choice(
        ("multipart/form-data",) * 12 + ("multipart/mixed", "Multipart/Form-Data", "multipart/", "multipart/x")
    )
    charset = rng.choice(CHARSETS).replace("\x00", "")
    return kind + rng.choice(
        (f"; boundary={boundary}",) * 12
        + (
            f'; boundary="{boundary}"',
            f"; charset={charset}; boundary={boundary}",
            f";boundary={boundary};charset={charset}",
            f"; boundary={boundary}; boundary=other",
            f"; Boundary = {boundary}",
            f"; boundary*=utf-8''{boundary}",
            f"; boundary*0={boundary[:3]}; boundary*1={boundary[3:]}",
            f"; boundary={boundary}; {canary}={canary}",
            "; boundary=",
            '; boundary="',
            "; boundary=%ZZ",
            "",
            ";",
        )
    )


def make_part(rng: random.Random, value: bytes, canary: str, name: str = "data") -> bytes:
    """A part's headers and content; mostly with one fault of the headers."""
    disposition = f'form-data; name="{name}"'
    lines = [f"Content-Disposition: {disposition}"]
    fault = rng.randrange(16)
    if fault == 0:
        lines = [f"Content-Disposition: {rng.choice(odd_dispositions(rng, name, canary))}"]
    elif fault == 1:
        lines = []
    elif fault in (2, 3):
        encoding = rng.choice(ENCODINGS)
        lines.append(f"Content-Transfer-Encoding: {encoding}")
        if encoding.lower() == "base64" and rng.random() < 0.6:
            value = base64.encodebytes(value)
    elif fault in (4, 5):
        charset = rng.choice(CHARSETS)
        lines.append(f"Content-Type: {rng.choice(('text/plain', 'image/png', 'application/json'))}; charset={charset}")
    elif fault in (6, 7):
        lines = [f"Content-Disposition: {rng.choice(odd_dispositions(rng, name, canary))}"]
        lines.append(f"Content-Type: {rng.choice(TYPES)}")
    elif fault == 8:
        lines.append(rng.choice((f"X-{canary}: {canary}", canary, ":", ": x", "X" * 9000 + ": y", "Content-Length: 5")))
    elif fault == 9:
        lines += [f"Content-Type: {rng.choice(TYPES)}", f"Content-Type: {rng.choice(TYPES)}"]
    elif fault == 10:
        lines = lines * rng.choice((2, 200))
    elif fault == 11:  # a form in a form
        lines.append("Content-Type: multipart/mixed; boundary=inner")
        value = b'--inner\r\nContent-Disposition: file; filename="a"\r\n\r\n' + value + b"\r\n--inner--"
    elif fault == 12:
        lines = [rng.choice(("\x00", "Content-Disposition:\x00 form-data", "\ufeffContent-Disposition: x")), *lines]
    else:
        lines[0] += f'; filename="{canary}.jpg"'
        lines.append(f"Content-Type: {rng.choice(TYPES)}")
    ending = b"\r\n" if rng.random() < 0.95 else b"\n"
    head = ending.join(line.encode("utf-8") for line in lines)
    return head + ending + (ending if rng.random() < 0.96 else b"") + value


def odd_dispositions(rng: random.Random, name: str, canary: str) -> tuple[str, ...]:
    charset = rng.choice(CHARSETS)
    return (
        f'form-data; name="{name}"; filename*=%ZZ',
        f"form-data; name=\"{name}\"; filename*=UTF-8''%E4%BD%A0{canary}",
        f"form-data; name=\"{name}\"; filename*={charset}''%FF%FE{canary}",
        f'form-data; name="{name}"; filename*=UTF-8\'{canary}',
        f"form-data; name*=UTF-8''{name}",
        f'form-data; name*0="{name[:2]}"; name*1="{name[2:]}"',
        f"form-data; name={name}",
        f'form-data; name="{name}',
        f"form-data; name='{name}'",
        'form-data; name=""',
        "form-data; name=",
        "form-data",
        "",
        ";",
        f'form-data; filename="{canary}"',
        f'attachment; name="{name}"; filename="a"',
        f'form-data; name="{name}"; name="other"',
        f'form-data; name="{name}"; filename="../../{canary}"',
        f'form-data; name="{name}"; filename="{canary}\x00.jpg"',
        f'form-data; name="{name}"; filename="{canary}\\"x"',
        f'form-data; name="{name}"; filename="{"f" * 5000}"',
        f'form-data; name="{name}\u0301"',
        f'FORM-DATA; NAME="{name}"',
        f'form-data;name="{name}";;;filename=;',
        f'form-data; name="{name}"\r\n continued="{canary}"',
    )
