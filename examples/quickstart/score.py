"""Answer which digit a picture shows: `init` runs once when a replica starts, `run` for every request."""

import json
import os
from pathlib import Path

import joblib
import numpy as np

model = None


def init():
    """Load the model that was registered."""
    global model
    folder = Path(os.environ["AZUREML_MODEL_DIR"])
    model = joblib.load(next(folder.rglob("model.joblib")))


def run(raw_data):
    """Take {"data": [[64 grey values from 0 to 16], …]} and answer a digit and its probability for each row."""
    rows = np.asarray(json.loads(raw_data)["data"], dtype=np.float32) / 16
    chances = model.predict_proba(rows)
    best = chances.argmax(axis=1)
    return {
        "digits": [int(model.classes_[number]) for number in best],
        "probabilities": [round(float(row[number]), 4) for row, number in zip(chances, best, strict=True)],
    }
