"""How easy a text is to read: ``{"score": -0.8, "tokens": 212, "truncated": false, "windows": 1}``."""

from typing import Any, ClassVar, Dict, List, Sequence

import numpy as np

from .settings import SettingsError
from .texts import Array, Range, Text, TextHandler, TextSettings

OVER_LIMIT = ("windows", "truncate")


class ReadabilitySettings(TextSettings):
    over_limit: str = "windows"  # a text over max_tokens: the mean of its windows, or only its beginning


class Readability(TextHandler):
    settings_type = ReadabilitySettings
    settings: ReadabilitySettings
    answer_schema: ClassVar[Dict[str, Any]] = {
        "type": "object",
        "properties": {
            "score": {"type": "number"},
            "tokens": {"type": "integer", "minimum": 1},
            "truncated": {"type": "boolean"},
            "windows": {"type": "integer", "minimum": 1},
        },
        "required": ["score", "tokens", "truncated", "windows"],
        "additionalProperties": False,
    }

    def initialize(self, context: Any) -> None:
        super().initialize(context)
        if self.settings.over_limit not in OVER_LIMIT:
            raise SettingsError("handler.over_limit must be one of %s" % ", ".join(OVER_LIMIT))

    def cut(self, text: str, starts: Sequence[int]) -> List[Range]:
        windows = super().cut(text, starts)
        return windows if self.settings.over_limit == "windows" or len(windows) == 1 else [(0, self.room)]

    def postprocess(self, output: Sequence[Array], request: Text) -> Dict[str, Any]:
        """The windows' scores, weighted by their length; ``tokens`` counts those of the whole text."""
        scores = [float(np.reshape(score, ())) for score in output]
        weights = [end - start for start, end in request.windows]
        return {
            "score": round(float(np.average(scores, weights=weights)), 6),
            "tokens": len(request.ids),
            "truncated": request.windows[-1][1] < len(request.ids),
            "windows": len(request.windows),
        }
