"""The old readability service: FastAPI and ONNX Runtime, every text padded or cut to 300 tokens, each by itself.

``MODEL`` is the folder with graph.onnx and tokenizer.json.
"""

import os
from pathlib import Path

import numpy as np
import onnxruntime
from fastapi import FastAPI
from pydantic import BaseModel
from tokenizers import Tokenizer

TOKENS = 300

folder = Path(os.environ["MODEL"])
session = onnxruntime.InferenceSession(folder / "graph.onnx", providers=["CPUExecutionProvider"])
tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
tokenizer.enable_truncation(TOKENS)
tokenizer.enable_padding(length=TOKENS)
app = FastAPI()


class Passage(BaseModel):
    text: str


@app.post("/predict")
def predict(passage: Passage) -> dict[str, float]:
    encoding = tokenizer.encode(passage.text)
    inputs = {
        "input_ids": np.array([encoding.ids], np.int64),
        "attention_mask": np.array([encoding.attention_mask], np.int64),
    }
    return {"score": float(session.run(None, inputs)[0][0])}
