"""The old entity service: FastAPI and a transformers pipeline, which it builds for every request.

``REBUILD=0`` builds it once, which is the least that anybody would mend. ``CHECKPOINT`` is the model's folder.
"""

import functools
import os
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from models.operators import import_torchvision

import_torchvision()  # transformers imports it wherever it is installed

from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline  # noqa: E402

STRIDE = 64  # tokens that windows share; without it, the pipeline drops what lies past 512 tokens

app = FastAPI()


class Document(BaseModel):
    text: str


def build() -> Any:
    model = AutoModelForTokenClassification.from_pretrained(os.environ["CHECKPOINT"])
    tokenizer = AutoTokenizer.from_pretrained(os.environ["CHECKPOINT"])
    return pipeline(
        "token-classification", model=model, tokenizer=tokenizer, aggregation_strategy="average", stride=STRIDE
    )


find_pipeline = build if os.environ.get("REBUILD") != "0" else functools.cache(build)


@app.post("/ner")
def ner(document: Document) -> list[dict[str, Any]]:
    found = find_pipeline()(document.text)
    return [{**entity, "score": float(entity["score"])} for entity in found]
