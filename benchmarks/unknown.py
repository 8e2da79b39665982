"""Detection of clips of classes not trained on: python benchmarks/unknown.py F.h5 [overrides …]

Trains several times, each time without a part of the file's classes, until each class was left out once, and scores
the test clips of all classes.
Overrides go to train.py: ``recipe=fast model.width=48``.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from scipy.special import logsumexp
from sklearn.metrics import roc_auc_score

from mmn.data.format.hdf5 import read_data
from mmn.data.format.skeletons import SkeletonData
from mmn.evaluation.predictions import softmax
from mmn.evaluation.scores import Scores
from mmn.evaluation.unknown import unknown_auroc
from mmn.inference.predict import Predictor

TRAIN = Path(__file__).resolve().parents[1] / "train.py"


def train(folder: Path, data: Path, classes: list[str], overrides: list[str]) -> Predictor:
    """Train on some classes; a fifth of their training clips select the epoch, the temperature and the threshold."""
    names = ",".join(f"'{name}'" for name in classes)
    own = f"data.path={data}", f"data.classes=[{names}]", "data.folds=5", "data.fold=0", f"hydra.run.dir={folder}"
    subprocess.run([sys.executable, str(TRAIN), *own, "logger=csv", *overrides], check=True)
    return Predictor(folder / "checkpoints" / "best.ckpt")


def measure(data: SkeletonData, predictor: Predictor, coverage: float) -> dict[str, float]:
    """AUROC, and the shares of known and unknown clips reported as unknown at a given coverage of val clips.

    Also the AUROC of the logits' log-sum-exp instead of the likeliest class's probability, for comparison.
    """
    test = data.splits["test"]
    logits = predictor.logits([test.clip(i) for i in range(len(test))], data.layout)
    known = np.isin(np.array(data.classes.names)[test.labels], predictor.classes.names)
    unsure = softmax(logits).max(axis=1) < predictor.threshold(coverage)
    parts = [
        Scores([test.names[i] for i in own], test.labels[own], logits[own].astype(np.float32), predictor.classes)
        for own in (np.flatnonzero(known), np.flatnonzero(~known))
    ]
    return {
        "auroc": unknown_auroc(*parts),
        "auroc_of_log_sum_exp": float(roc_auc_score(known, logsumexp(logits, axis=1))),
        "known_called_unknown": float(unsure[known].mean()),
        "unknown_called_unknown": float(unsure[~known].mean()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--parts", type=int, default=3, help="number of parts to divide the classes into (default: 3)")
    parser.add_argument("--coverage", type=float, default=0.9)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    data, found = read_data(options.data), []
    for part in range(options.parts):
        held_out = data.classes.names[part :: options.parts]
        with tempfile.TemporaryDirectory() as folder:
            classes = [name for name in data.classes.names if name not in held_out]
            predictor = train(Path(folder), options.data.resolve(), classes, options.overrides)
            found.append({"held_out": held_out, **measure(data, predictor, options.coverage)})
        print(json.dumps(found[-1]), flush=True)
    figures = [name for name in found[0] if name != "held_out"]
    print("mean: " + ", ".join(f"{name} {np.mean([one[name] for one in found]):.3f}" for name in figures))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
