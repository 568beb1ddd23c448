"""Teach a small network to read handwritten digits, and let the studio watch.

Nothing here is made for the studio but the calls of `run`: started by hand (`python train.py`), they
print instead, and the data is taken from `data/` beside this file.
"""

import argparse
import csv
import gzip
from pathlib import Path

import joblib
import matplotlib

matplotlib.use("Agg")  # a node has no screen
import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import ConfusionMatrixDisplay, accuracy_score, confusion_matrix, log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from zaffre.core import Run

DIGITS = np.arange(10)


def read_digits(folder):
    """Return (pixels from 0 to 1, digits)."""
    with gzip.open(Path(folder) / "digits.csv.gz", "rt", newline="") as lines:
        rows = csv.reader(lines)
        next(rows)  # the names of the columns
        table = np.array(list(rows), dtype=np.float32)
    return table[:, :-1] / 16, table[:, -1].astype(int)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--hidden", type=int, default=48, help="neurons of the hidden layer")
    parser.add_argument("--learning-rate", type=float, default=0.003)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()

    run = Run.get_context()
    inputs = getattr(run, "input_datasets", None) or {}
    folder = inputs["digits"] if "digits" in inputs else Path(__file__).parent / "data"
    pixels, digits = read_digits(folder)
    parts = train_test_split(pixels, digits, test_size=0.25, random_state=options.seed, stratify=digits)
    train_x, test_x, train_y, test_y = parts
    print(f"{len(train_x)} pictures to learn from, {len(test_x)} to check with, read from {folder}")

    model = MLPClassifier(
        hidden_layer_sizes=(options.hidden,),
        learning_rate_init=options.learning_rate,
        random_state=options.seed,
    )
    shuffle = np.random.default_rng(options.seed)
    step = 0
    for epoch in range(1, options.epochs + 1):
        order = shuffle.permutation(len(train_x))
        for start in range(0, len(order), options.batch_size):
            batch = order[start : start + options.batch_size]
            model.partial_fit(train_x[batch], train_y[batch], classes=DIGITS)
            step += 1
            run.log("loss", model.loss_, step=step)
        accuracy = accuracy_score(train_y, model.predict(train_x))
        val_accuracy = accuracy_score(test_y, model.predict(test_x))
        val_loss = log_loss(test_y, model.predict_proba(test_x), labels=DIGITS)
        run.log("accuracy", accuracy, step=step)
        run.log("val_accuracy", val_accuracy, step=step)
        run.log("val_loss", val_loss, step=step)
        print(f"epoch {epoch:2d}: accuracy {accuracy:.3f}, on unseen pictures {val_accuracy:.3f}", flush=True)

    outputs = Path("outputs")
    outputs.mkdir(exist_ok=True)
    figure, axes = plt.subplots(figsize=(6, 6), layout="constrained")
    ConfusionMatrixDisplay(confusion_matrix(test_y, model.predict(test_x))).plot(ax=axes, colorbar=False, cmap="Blues")
    axes.set_title(f"Written against read: {val_accuracy:.1%} right")
    run.log_image("confusion_matrix", plot=figure)
    joblib.dump(model, outputs / "model.joblib")
    run.tag("framework", "scikit-learn")
    print(f"The model is in {outputs / 'model.joblib'}")


if __name__ == "__main__":
    main()
