"""/openapi.json: what this server serves, in OpenAPI 3.1, from the same settings as /models.json."""

import base64
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from handlers.handwriting import MAX_UUID_CHARS, OLD_SCHEMA
from handlers.tasks import TASKS, load_task
from marina import __version__
from marina.catalog import ServedArchive, title_of

JsonObject = dict[str, Any]  # a part of the document

# Every status that is no answer, as docs/design.md has them.
ERRORS = {
    400: "The body is not what it says it is: an undecodable image, malformed JSON or base64, no UTF-8, or nothing.",
    403: "A host name that is not served, or a page of a site that may not ask.",
    404: "No such model or version.",
    405: "Predictions take POST or PUT, all else GET or HEAD.",
    408: "The body took too long to arrive.",
    413: "Too many bytes, pixels or characters.",
    414: "An address of more than 32 KB.",
    415: "A type that the model does not take, or a compressed body.",
    422: "Well formed but unusable: a text below the minimum, a field that is missing or of the wrong type.",
    429: "Too many requests at once.",
    431: "A header of more than 32 KB.",
    500: "The model's own fault for this item.",
    503: "Not ready, the queue is full, or the worker ended before it answered.",
    504: "Past the deadline.",
}
RETRY_AFTER = {"Retry-After": {"description": "Seconds until another try.", "schema": {"type": "integer"}}}
ERROR_HEADERS = {
    405: {"Allow": {"description": "The methods that are taken.", "schema": {"type": "string"}}},
    429: RETRY_AFTER,
    503: RETRY_AFTER,
}
ANSWER_HEADERS = {
    "Server-Timing": {
        "description": "The steps of the batch that the request was in, in ms.",
        "required": True,
        "schema": {"type": "string"},
        "example": "preprocess;dur=1.90, inference;dur=14.20, postprocess;dur=0.10",
    },
    "X-Batch-Size": {
        "description": "How many requests were answered together.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
}
TEXT_LIMITS = {"min_chars": "minLength", "max_chars": "maxLength"}  # both in Unicode code points
BASE64 = {"type": "string", "contentEncoding": "base64", "minLength": 1}
# The task that answers an old system's clients too, and their question in JSON: see handlers/handwriting.py.
OLD_SYSTEM = "handwriting"
OLD_QUESTION = {
    "type": "object",
    "properties": {
        "esun_uuid": {"type": "string", "maxLength": MAX_UUID_CHARS},
        "esun_timestamp": {"type": "integer"},
        "image": BASE64,
        "retry": {"type": "integer"},
    },
    "required": ["esun_uuid", "esun_timestamp", "image", "retry"],
}
OLD_EXAMPLE = {"esun_uuid": "7f3a", "esun_timestamp": 1590493849, "retry": 2}
MAX_EXAMPLE_BYTES = 8192  # of a picture that is written into the document


def describe_server(archives: Sequence[ServedArchive]) -> JsonObject:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Marina",
            "version": __version__,
            "description": "The models that this server serves. `PUT` predicts as `POST` does, for `curl -T`.",
        },
        "tags": [*map(describe_model, archives), {"name": "server", "description": "What is served, and whether"}],
        "paths": {
            **{address: describe_prediction(archive, address) for archive in archives for address in archive.addresses},
            "/models.json": describe_page("models", "What is served", {"$ref": "#/components/schemas/Models"}),
            "/ping": describe_page("ping", "Whether every model can answer", record(status={"const": "Healthy"})),
        },
        "components": {
            "schemas": {
                "Error": record(code={"type": "integer"}, type={"type": "string"}, message={"type": "string"}),
                "Models": record(models=list_of(entry_schema())),
                **{archive.name: answer_schema(archive) for archive in archives},
            },
            "responses": {f"Error{status}": describe_error(status) for status in ERRORS},
            "requestBodies": {archive.name: request_body(archive) for archive in archives},
        },
    }


def describe_model(archive: ServedArchive) -> JsonObject:
    """The tag under which a model's addresses stand, with its terms and its labels."""
    title, terms = archive.archive.title, archive.archive.license
    description = f"{title}, version {archive.version}, {archive.variant}. Terms: {terms}"
    return {"name": archive.name, "description": description, "x-labels": archive.handler.get("labels", [])}


def describe_prediction(archive: ServedArchive, address: str) -> JsonObject:
    """The path item of an address that predicts."""
    body: JsonObject = {"$ref": f"#/components/requestBodies/{archive.name}"}
    answer: JsonObject = {"$ref": f"#/components/schemas/{archive.name}"}
    if archive.handler["task"] == OLD_SYSTEM and address == f"/{archive.archive.route}":
        body = {"required": True, "content": as_json(OLD_QUESTION, old_examples(archive))}
        answer = OLD_SCHEMA
    operation = {
        "tags": [archive.name],
        "summary": archive.archive.title,
        "description": archive.archive.description,
        "requestBody": body,
        "responses": {
            "200": {"description": "The answer", "headers": ANSWER_HEADERS, "content": as_json(answer)},
            **errors(*ERRORS),
        },
    }
    return {method: {"operationId": method + address.replace("/", "-"), **operation} for method in ("post", "put")}


def describe_page(name: str, summary: str, schema: JsonObject) -> JsonObject:
    """The path item of an address that shows what the server says of itself."""
    return {
        "get": {
            "operationId": name,
            "tags": ["server"],
            "summary": summary,
            "responses": {"200": {"description": summary, "content": as_json(schema)}, **errors(400, 405, 429, 503)},
        }
    }


def errors(*statuses: int) -> JsonObject:
    return {str(status): {"$ref": f"#/components/responses/Error{status}"} for status in statuses}


def describe_error(status: int) -> JsonObject:
    schema = {"$ref": "#/components/schemas/Error", "properties": {"code": {"const": status}}}
    return {"description": ERRORS[status], "headers": ERROR_HEADERS.get(status, {}), "content": as_json(schema)}


def request_body(archive: ServedArchive) -> JsonObject:
    """What a prediction is asked with, in each form that the model's kind of input may have."""
    kinds: dict[str, Callable[[ServedArchive], JsonObject]] = {"image": image_content, "text": text_content}
    describe = kinds.get(archive.handler["input"])
    return {"required": True, "content": describe(archive) if describe else {"*/*": {}}}


def image_content(archive: ServedArchive) -> JsonObject:
    settings = archive.handler
    limits = " and ".join(f"{settings[key]} {key[4:]}" for key in ("max_bytes", "max_pixels") if key in settings)
    picture = {"contentMediaType": "image/*", "description": f"BMP, GIF, JPEG, PNG, TIFF or WebP, of at most {limits}"}
    question, examples = record(image={**picture, **BASE64}), as_examples(small_questions(archive))
    if settings["task"] == OLD_SYSTEM:
        question["properties"] |= {name: False for name in OLD_QUESTION["properties"] if name != "image"}
        question = {"oneOf": [question, OLD_QUESTION]}
        examples |= old_examples(archive)
    return {"image/*": {"schema": picture}, **as_form(picture, "image/*"), **as_json(question, examples)}


def small_questions(archive: ServedArchive) -> JsonObject:
    """What asks in JSON for the model's samples, by file name; a photograph would be too much to read."""
    small = {name: data for name, data in sorted(archive.samples.items()) if len(data) <= MAX_EXAMPLE_BYTES}
    return {name: {"image": base64.b64encode(data).decode()} for name, data in small.items()}


def old_examples(archive: ServedArchive) -> JsonObject:
    asked = small_questions(archive).items()
    return as_examples({f"esun-{name}": {**OLD_EXAMPLE, **question} for name, question in asked})


def text_content(archive: ServedArchive) -> JsonObject:
    text = {"type": "string", "description": "For the least length, white space at both ends does not count"}
    text |= {name: archive.handler[key] for key, name in TEXT_LIMITS.items() if key in archive.handler}
    samples = {name: data.decode(errors="replace") for name, data in sorted(archive.samples.items())}
    return {
        "text/plain": {"schema": text, "examples": as_examples(samples)},
        **as_form(text, "text/plain"),
        **as_json(record(text=text), as_examples({name: {"text": sample} for name, sample in samples.items()})),
    }


def as_examples(values: dict[str, Any]) -> JsonObject:
    """Examples from a model's samples, by file name."""
    return {Path(name).stem: {"summary": title_of(name), "value": value} for name, value in values.items()}


def as_form(schema: JsonObject, media_type: str) -> JsonObject:
    """A multipart form with the one field ``data``."""
    return {"multipart/form-data": {"schema": record(data=schema), "encoding": {"data": {"contentType": media_type}}}}


def as_json(schema: JsonObject, examples: JsonObject | None = None) -> JsonObject:
    return {"application/json": {"schema": schema, **({"examples": examples} if examples else {})}}


def answer_schema(archive: ServedArchive) -> JsonObject:
    """What the model's task answers; anything, where the archive brings the task itself: its code is not run here."""
    task = archive.handler["task"]
    return load_task(task).answer_schema if task in TASKS else {}


def entry_schema() -> JsonObject:
    """A model in /models.json, as ``ServedArchive.entry`` gives it."""
    text = {"type": "string"}
    return record(
        **dict.fromkeys(
            ("name", "version", "title", "description", "license", "task", "input", "variant", "runtime", "route"), text
        ),
        variants=list_of(variant_schema()),
        limits={"type": "object", "additionalProperties": {"type": "integer"}},
        labels=list_of(text),
        quality={"type": "object"},
        samples=list_of(record(url=text, title=text)),
    )


def variant_schema() -> JsonObject:
    """What was measured of one variant, as ``marina variants`` writes it."""
    text, number, optional = {"type": "string"}, {"type": "number"}, {"type": ["number", "null"]}
    return record(
        **dict.fromkeys(("variant", "runtime", "sha256", "metric", "reason"), text),
        value=optional,
        drop=optional,
        **dict.fromkeys(("agreement", "speed_up"), number),
        passed={"type": "boolean"},
    )


def list_of(schema: JsonObject) -> JsonObject:
    return {"type": "array", "items": schema}


def record(**fields: JsonObject) -> JsonObject:
    """The schema of an object with these fields, all required."""
    return {"type": "object", "properties": fields, "required": list(fields)}
