"""Where the sentences of a text begin, told with caution: a doubtful end is none, for a name must not be cut."""

import re
from typing import List

# A mark that may end a sentence, with the quotes and brackets that belong to it, and what follows the space behind it;
# or an empty line.
END = re.compile(r"(?P<mark>[.!?\u2026])[\"'\u201d\u2019)\]]*\s+(?=[\"'\u201c\u2018(\[]*(?P<next>\w))|\n\s*\n")
LONGEST_WORD = 20  # characters before a full stop that are looked at
WORD = re.compile(r"[\w.]*\Z")
# What a full stop follows without ending a sentence; initials and words with a stop inside (U.S.) are known as such.
ABBREVIATION = re.compile(
    r"adm|al|apr|assn|aug|bros|capt|cmdr|co|col|corp|dec|dept|dr|feb|fig|fr|ft|gen|gov|hon|inc|jan|jr|jul|jun|lt|ltd|maj|"
    r"mar|mr|mrs|ms|mt|no|nov|oct|pres|prof|rep|rev|sen|sept?|sgt|sr|st|univ|vs?",
    re.IGNORECASE,
)


def find_sentences(text: str) -> List[int]:
    """The offset of each sentence's beginning, in code points; the first is 0."""
    return [0] + [end.end() for end in END.finditer(text) if ends_sentence(text, end)]


def ends_sentence(text: str, end: "re.Match[str]") -> bool:
    """Whether a sentence ends at a match of ``END``."""
    mark, following = end.group("mark"), end.group("next")
    if mark is None:
        return True
    if following.islower():
        return False
    if mark != ".":
        return True
    match = WORD.search(text[max(0, end.start() - LONGEST_WORD) : end.start()])
    word = match.group() if match else ""
    is_initial = len(word) == 1 and word.isalpha()
    return not (is_initial or "." in word or ABBREVIATION.fullmatch(word))
