"""Clips of unknown classes, detected by low confidence."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import in_process

import mmn
from mmn.data.format.classes import Classes
from mmn.data.format.skeletons import SkeletonData
from mmn.errors import UserError
from mmn.evaluation.probabilities import NONE_OF_THESE
from mmn.evaluation.scores import Scores
from mmn.evaluation.unknown import confidence_percentiles, unknown_auroc


def scores(*likeliest: float, labels: list[int] | None = None) -> Scores:
    """Scores of clips with two classes, the more likely of which has these probabilities."""
    chances = np.array(likeliest)
    logits = np.log(np.stack([chances, 1 - chances], axis=1)).astype(np.float32)
    names = [str(i) for i in range(len(chances))]
    known = np.zeros(len(chances), np.int64) if labels is None else np.array(labels)
    return Scores(names, known, logits, Classes(["a", "b"], [], []))


@pytest.mark.parametrize(
    ("known", "unknown", "expected"),
    [
        ([0.9, 0.8], [0.7, 0.6], 1.0),
        ([0.6, 0.7], [0.8, 0.9], 0.0),
        ([0.9, 0.7], [0.8, 0.6], 0.75),  # three of the four pairs are in order
        ([0.8], [0.8], 0.5),
    ],
)
def test_auroc_is_the_share_of_pairs_in_order(known: list[float], unknown: list[float], expected: float) -> None:
    assert unknown_auroc(scores(*known), scores(*unknown)) == pytest.approx(expected)


def test_percentiles_use_calibrated_probabilities_of_labelled_clips() -> None:
    found = confidence_percentiles(scores(0.5, 0.9, 0.7, labels=[0, 1, -1]), 2.0)
    top = 1 / (1 + (0.1 / 0.9) ** 0.5)  # 0.9 over a temperature of 2
    assert len(found) == 101
    assert [found[0], found[50], found[100]] == pytest.approx([0.5, (0.5 + top) / 2, top], abs=1e-6)


@pytest.mark.parametrize("coverage", [0.3, 0.9, 1.0])
def test_a_share_of_the_val_clips_reaches_the_threshold(run: Path, small: SkeletonData, coverage: float) -> None:
    predictor = mmn.Predictor(run / "checkpoints" / "best.ckpt")
    val = small.splits["val"]
    confidence = predictor([val.clip(i) for i in range(len(val))]).max(axis=1)
    reached = (confidence >= predictor.threshold(coverage) - 1e-8).mean()
    assert reached == pytest.approx(coverage, abs=1.5 / len(val))


def test_an_ensemble_has_the_threshold_of_its_own_probabilities_on_val(
    run: Path, jhmdb_like: Path, small: SkeletonData, tmp_path: Path
) -> None:
    best, val = run / "checkpoints" / "best.ckpt", small.splits["val"]
    content = torch.load(best, weights_only=True)
    content["mmn"]["chosen"]["temperature"] = 20.0  # far less sure than the other network
    torch.save(content, tmp_path / "other.ckpt")
    both = mmn.Predictor(best, tmp_path / "other.ckpt")
    reached = both([val.clip(i) for i in range(len(val))]).max(axis=1) >= both.threshold(0.8)
    assert reached.mean() == pytest.approx(0.8, abs=1.5 / len(val))
    content["mmn"]["stream"]["data_path"] = str(tmp_path / "gone.h5")
    torch.save(content, tmp_path / "other.ckpt")
    with pytest.raises(mmn.UserError, match=r"needs the val clips of .*gone\.h5"):
        mmn.Predictor(tmp_path / "other.ckpt", best).threshold(0.8)


def test_unlikely_clips_are_none_of_these(run: Path, jhmdb_like: Path, small: SkeletonData, tmp_path: Path) -> None:
    best = run / "checkpoints" / "best.ckpt"
    predictor, test = mmn.Predictor(best), small.splits["test"]
    confidence = predictor([test.clip(i) for i in range(len(test))]).max(axis=1)
    likely = dict(zip(test.names, confidence >= predictor.threshold(0.5), strict=True))
    tables = []
    for name, more in (("plain", []), ("known", ["--coverage", "0.5"])):
        options = "predict", str(best), str(jhmdb_like), "--split", "test", "--top", "2", "--output", f"{name}.csv"
        assert in_process("mmn", *options, *more, cwd=tmp_path).returncode == 0
        with (tmp_path / f"{name}.csv").open() as file:
            tables.append(list(csv.DictReader(file)))
    plain, known = tables
    expected = []
    for first, second in zip(plain[::2], plain[1::2], strict=True):
        if likely[first["name"]]:
            expected += [first, second]
        else:
            none = {"name": first["name"], "place": "1", "class": NONE_OF_THESE, "index": "-1", "probability": ""}
            expected += [none, {**first, "place": "2"}, {**second, "place": "3"}]
    assert known == expected
    assert 0 < sum(likely.values()) < len(likely)
    printed = in_process("mmn", "predict", str(best), str(jhmdb_like), "--coverage", "0.01", cwd=tmp_path).stdout
    assert f": {NONE_OF_THESE}\n    " in printed


def test_coverage_sets_the_threshold_of_segments(run: Path, small: SkeletonData, tmp_path: Path) -> None:
    best = run / "checkpoints" / "best.ckpt"
    np.savez(tmp_path / "long.npz", long=np.concatenate([small.splits["test"].clip(i) for i in range(6)]))
    threshold = mmn.Predictor(best).threshold(0.8)
    for name, more in (("a", ["--coverage", "0.8"]), ("b", ["--threshold", str(threshold)])):
        options = "predict", str(best), "long.npz", "--window", "16", "--segments", f"{name}.csv", *more
        assert in_process("mmn", *options, cwd=tmp_path).returncode == 0
    assert (tmp_path / "a.csv").read_text() == (tmp_path / "b.csv").read_text()
    assert len((tmp_path / "a.csv").read_text().splitlines()) > 1


@pytest.mark.parametrize("coverage", [0, -1, 1.1, float("nan")])
def test_a_coverage_out_of_range_is_refused(run: Path, coverage: float) -> None:
    with pytest.raises(UserError, match="it must be a share of clips, above 0 and at most 1"):
        mmn.Predictor(run / "checkpoints" / "best.ckpt").threshold(coverage)


def test_a_checkpoint_without_val_clips_has_no_threshold(small_checkpoint: Path, jhmdb_like: Path) -> None:
    with pytest.raises(UserError, match=r"small\.ckpt does not record its confidence on a val split"):
        mmn.Predictor(small_checkpoint).threshold(0.9)
    both = "--segments", "s.csv", "--threshold", "0.3", "--coverage", "0.9"
    done = in_process("mmn", "predict", str(small_checkpoint), str(jhmdb_like), *both, cwd=jhmdb_like.parent)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "give only one" in done.stderr


def test_the_threshold_of_an_ensemble_is_found_on_clips_unseen_by_all(
    run: Path, jhmdb_like: Path, small: SkeletonData, tmp_path: Path
) -> None:
    best, val = run / "checkpoints" / "best.ckpt", small.splits["val"]
    content = torch.load(best, weights_only=True)
    for name, seen in (("all", len(val)), ("half", len(val) // 2)):
        content["mmn"]["stream"]["trained_on"] = val.hashes()[:seen].tolist()  # as a network of another fold
        torch.save(content, tmp_path / f"{name}.ckpt")
    half = mmn.Predictor(best, tmp_path / "half.ckpt")
    rest = half([val.clip(i) for i in range(len(val) // 2, len(val))]).max(axis=1)
    assert half.threshold(0.5) == pytest.approx(np.quantile(rest, 0.5))
    with pytest.raises(mmn.UserError, match=r"val clips that none of them was trained on; .* has none"):
        mmn.Predictor(best, tmp_path / "all.ckpt").threshold(0.5)
