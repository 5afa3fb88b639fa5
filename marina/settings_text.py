"""Settings changed where they stand: in the text of a model-config.yaml, comments kept, and in a packed archive."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from handlers.settings import SETTINGS_FILE
from marina.archive import encode, write_whole
from marina.errors import MarinaError
from marina.model_config import CONFIG_FILE, check_name, parse_model_config
from marina.packing import MANIFEST, PROVENANCE, pack
from marina.provenance import digests
from marina.references import DERIVED
from marina.verify import read_archive, read_provenance

Value = int | str


def change_settings(text: str, changes: Mapping[str, Value]) -> str:
    """The text of a model-config.yaml with other values, everything else as it was written.

    ``changes`` maps "batchSize" or "handler.threads" to a number or a text; what the file does not have yet is added
    to its section. Raises MarinaError where a key can't be changed without changing more.
    """
    expected = load_mapping(text)
    for key, value in changes.items():
        expected = set_value(expected, key, value)
        text = change_one(text, key, value)
    if load_mapping(text) != expected:
        raise MarinaError(f"{CONFIG_FILE} is written in a way in which {', '.join(changes)} can't be changed alone")
    return text


def change_archive(source: Path, out: Path, changes: Mapping[str, Value]) -> None:
    """Writes the same model's archive with other settings to ``out``, whose file name becomes the model's name.

    What an archive was built from, ``archive.*``, needs a new build. Raises MarinaError.
    """
    for key in changes:
        if key.startswith("archive."):
            raise MarinaError(f"{key} can't be changed in an archive: build another with `marina archive`")
    check_name(out.stem)
    contents = dict(read_archive(source))
    text = change_settings(contents[CONFIG_FILE].decode(), changes)
    server, _, _ = parse_model_config(out, text)
    settings = json.loads(contents[SETTINGS_FILE])
    settings |= {key.partition(".")[2]: value for key, value in changes.items() if key.startswith("handler.")}
    settings |= {name: server[key] for name, key in DERIVED.items()}
    manifest = json.loads(contents[MANIFEST])
    manifest["model"]["modelName"] = out.stem
    contents |= {CONFIG_FILE: text.encode(), SETTINGS_FILE: encode(settings), MANIFEST: encode(manifest)}
    provenance = read_provenance(contents)
    provenance["files"] = digests({path: data for path, data in contents.items() if path != PROVENANCE})
    write_whole(out, pack({**contents, PROVENANCE: encode(provenance)}))


def load_mapping(text: str) -> dict[str, Any]:
    """The document that the text holds. Raises MarinaError where it is no mapping."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise MarinaError(f"{CONFIG_FILE} is not valid YAML: {error}") from error
    if not isinstance(document, dict):
        raise MarinaError(f"{CONFIG_FILE} must hold keys and values")
    return document


def set_value(document: dict[str, Any], key: str, value: Value) -> dict[str, Any]:
    """The document with that value; ``key`` is a name, or a section and a name."""
    section, _, name = key.rpartition(".")
    if not section:
        return {**document, name: value}
    if not isinstance(document.get(section), dict):
        raise MarinaError(f"{CONFIG_FILE} has no section {section}: for {key}")
    return {**document, section: {**document[section], name: value}}


def change_one(text: str, key: str, value: Value) -> str:
    """The text with one value written over the old one, or a line added."""
    section, _, name = key.rpartition(".")
    node = yaml.compose(text, yaml.SafeLoader)
    if section:
        node = find(node, section)
    old = find(node, name)
    if old is None:
        return add_entry(text, node, f"{name}: {write_value(value)}")
    begin, end = old.start_mark.index, old.end_mark.index
    space = "" if end > begin else " "  # a key without a value ends at its colon
    return text[:begin] + space + pad_comment(write_value(value), text[begin:end], text[end:])


def find(mapping: Any, name: str) -> Any:
    """The node of that key's value in a mapping's node, or None."""
    return next((value for key, value in mapping.value if key.value == name), None)


def write_value(value: Value) -> str:
    """A scalar as YAML: plain where that reads back as the same, else in quotes."""
    plain = str(value)
    return plain if plain.isalnum() and yaml.safe_load(plain) == value else json.dumps(value, ensure_ascii=False)


def pad_comment(new: str, old: str, rest: str) -> str:
    """The new value and what follows it; a comment behind it keeps its column where there is room."""
    line = rest.partition("\n")[0]
    spaces = len(line) - len(line.lstrip(" "))
    if not line[spaces:].startswith("#"):
        return new + rest
    return new + " " * max(1, spaces + len(old) - len(new)) + rest[spaces:]


def add_entry(text: str, mapping: Any, entry: str) -> str:
    """The text with one more entry in a mapping, after the first one that fills a line by itself."""
    first = mapping.value[0][0].start_mark if mapping.value else None
    if first is None:
        raise MarinaError(f"{CONFIG_FILE}: {entry.partition(':')[0]} can't be added to an empty section")
    if mapping.flow_style:
        return f"{text[: first.index]}{entry}, {text[first.index :]}"
    for key, value in mapping.value:
        end = text.find("\n", value.end_mark.index)
        if isinstance(value, yaml.ScalarNode) and value.end_mark.line == key.start_mark.line and end >= 0:
            return f"{text[: end + 1]}{' ' * first.column}{entry}\n{text[end + 1 :]}"
    return f"{text[: first.index]}{entry}\n{' ' * first.column}{text[first.index :]}"
