"""A sentence's words as the text that people write, with the place of each word in it."""

from collections.abc import Sequence

CLOSING = {",", ".", ";", ":", "!", "?", ")", "]", "}", "%", "'s", "'m", "'re", "'ve", "'ll", "'d", "n't", "..."}
OPENING = {"(", "[", "{", "$", "£", "€", "#"}
QUOTES = {'"', "'"}


def write_text(words: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    """The text, and for each word where it starts and ends in it, in characters."""
    text, places, spaced, open_quotes = "", [], False, set[str]()
    for word in words:
        closes = word.lower() in CLOSING or word in open_quotes
        if spaced and not closes:
            text += " "
        places.append((len(text), len(text) + len(word)))
        text += word
        spaced = word not in OPENING and not (word in QUOTES and not closes)
        if word in QUOTES:
            open_quotes ^= {word}
    return text, places
