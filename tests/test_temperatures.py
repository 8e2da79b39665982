"""Temperatures and weights of several streams, fitted on val: ours, and those of other projects."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import in_process

from mmn.data.format.classes import Classes
from mmn.evaluation.fit_weights import find_weights
from mmn.evaluation.probabilities import calibrated
from mmn.evaluation.scores import Scores, Source, combine, compute_metrics, read_scores, write_scores
from mmn.evaluation.write_scores_as import write_scores_as

CLASSES = Classes([f"c{i}" for i in range(8)], [], [])


def stream(seed: int, scale: float = 1.0, skill: float = 2.0, clips: int = 400, split: str = "val") -> Scores:
    """Calibrated logits times ``scale``, so that ``scale`` is their temperature."""
    rng = np.random.default_rng([seed, clips])
    labels = np.random.default_rng(clips).integers(0, 8, clips)
    logits = rng.normal(0, 1, (clips, 8)) + skill * np.eye(8)[labels]  # log p(class) is skill · logits + a constant
    names = [f"{split}{i}" for i in range(clips)]
    return Scores(names, labels, (logits * skill * scale).astype(np.float32), CLASSES, Source(split=split))


def loss(streams: list[Scores], weights: list[float], average: str) -> float:
    return compute_metrics(combine(streams, weights, average))["loss"]


def test_each_stream_gets_a_temperature_that_cancels_its_scale() -> None:
    alone = find_weights([stream(0, scale=5.0, clips=4000)], weights=[1.0], temperatures=True)
    assert alone.temperatures == pytest.approx([5.0], rel=0.1)
    assert (alone.gain, alone.weights, alone.temperature) == (0, [1.0], pytest.approx(1.0, abs=0.01))
    assert alone.loss_gain > 0.1
    streams = [stream(0), stream(1), stream(2)]
    loud = [*streams[:2], replace(streams[2], logits=streams[2].logits * 10)]
    fits = [find_weights(some, temperatures=True) for some in (streams, loud)]
    assert fits[0].weights == pytest.approx(fits[1].weights, abs=1e-3)
    assert 10 * fits[0].temperatures[2] == pytest.approx(fits[1].temperatures[2], rel=1e-3)
    assert fits[1].gain > 2  # without temperatures, the stream of large logits dominates
    assert find_weights(streams, weights=[0.5, 0.3, 0.2], temperatures=True).weights == [0.5, 0.3, 0.2]


def test_weights_of_probabilities_minimise_the_loss_of_their_mean() -> None:
    streams = [stream(0, skill=2.5, clips=2000), stream(1, skill=1.0, clips=2000)]
    fitted = find_weights(streams, average="probabilities")
    assert fitted.step == 1.0
    shares = np.linspace(0, 1, 101)
    best = min(shares, key=lambda share: loss(streams, [share, 1 - share], "probabilities"))
    assert fitted.weights[0] == pytest.approx(best, abs=0.01)


def test_the_gain_is_measured_on_held_out_clips() -> None:
    noise = [stream(seed, skill=0.1, clips=60) for seed in range(12)]
    fitted = find_weights(noise, temperatures=True)
    plain = compute_metrics(combine(noise))["top1"]
    seen = [replace(one, logits=one.logits / t) for one, t in zip(noise, fitted.temperatures, strict=True)]
    assert fitted.gain < compute_metrics(combine(seen, fitted.weights))["top1"] - plain


def test_a_fitted_ensemble_is_calibrated_by_its_own_temperature() -> None:
    one = stream(0)
    record = {"temperature": 4.0, "streams": [{"temperature": 2.0}, {"temperature": 3.0}], "weights": [0.5, 0.5]}
    known = replace(one, source=Source(record=record))
    np.testing.assert_allclose(calibrated(known).logits, one.logits / 4)
    known = replace(one, source=Source(record={**record, "temperature": None}))
    np.testing.assert_allclose(calibrated(known).logits, one.logits / 2.5)
    record["streams"].append({"temperature": None})  # such as a last.ckpt
    known = replace(one, source=Source(record={**record, "temperature": None, "weights": [0.2, 0.2, 0.6]}))
    np.testing.assert_allclose(calibrated(known).logits, one.logits / 2.5)


def test_evaluation_fits_streams_of_any_origin_on_val(tmp_path: Path) -> None:
    for split, clips in (("val", 300), ("test", 200)):
        (tmp_path / "ours").mkdir(exist_ok=True)
        ours = stream(0, clips=clips, split=split)
        known = replace(ours.source, record={"temperature": 4.0})
        write_scores(tmp_path / "ours" / f"scores_{split}.h5", replace(ours, source=known))
        write_scores_as(tmp_path / f"theirs_{split}.pkl", stream(1, 8.0, 1.5, clips=clips, split=split), "pkl")

    def evaluate(*overrides: str):
        return in_process("eval.py", *overrides, "hydra.run.dir=out", cwd=tmp_path)

    both = ["ckpt_path=[ours/scores_test.h5,theirs_test.pkl]", "val_path=[null,theirs_val.pkl]"]
    ended = evaluate(*both, "temperature=auto", "weights=auto")
    assert ended.returncode == 0, ended.stderr
    assert "fitted on 300 clips of the val split; on its held-out folds, Top-1 +" in ended.stdout
    about = json.loads((tmp_path / "out" / "metrics.json").read_text())["about"]
    assert about["streams"][1]["divided_by"] == pytest.approx(8.0, rel=0.3)
    assert about["streams"][0]["temperature"] == 1.0  # no longer that of the undivided logits
    fitted = find_weights([stream(0, clips=300), stream(1, 8.0, 1.5, clips=300)], temperatures=True)
    assert (about["weights"], about["temperature"]) == (fitted.weights, fitted.temperature)
    total = read_scores(tmp_path / "out" / "scores.h5").logits
    parts = [stream(0, clips=200).logits, stream(1, 8.0, 1.5, clips=200).logits]
    expected = sum(w * part / t for w, part, t in zip(fitted.weights, parts, fitted.temperatures, strict=True))
    np.testing.assert_allclose(total, expected, rtol=1e-4, atol=1e-5)
    for overrides, sentence in (
        ([both[0], "weights=auto"], "theirs_test.pkl has one split; give its val scores as val_path=."),
        (["ckpt_path=theirs_val.pkl", "temperature=auto"], "theirs_val.pkl has one split"),
        (["ckpt_path=[out/scores.h5,out/scores.h5]", "weights=auto"], "there is no out/scores_val.h5; give the check"),
    ):
        assert sentence in evaluate(*overrides).stderr


def test_the_gain_of_weights_is_not_that_of_calibration() -> None:
    sure = stream(0, scale=5.0)
    fitted = find_weights([sure, sure])  # the same network twice: no weights are better than equal ones
    assert fitted.weights == pytest.approx([0.5, 0.5])
    assert fitted.loss_gain == pytest.approx(0, abs=1e-6)


def test_scores_of_other_projects_count_as_calibrated_and_fused_ones_too() -> None:
    def temperature(record: dict) -> float:
        one = stream(0, clips=5)
        return float((one.logits / calibrated(replace(one, source=Source(record=record))).logits).mean())

    ours, theirs = {"network": "x", "temperature": 11.0}, {}
    unknown = {"network": "y"}
    assert temperature({"streams": [ours, theirs], "weights": [0.1, 0.9]}) == pytest.approx(2.0)
    assert temperature({"streams": [ours, unknown], "weights": [0.1, 0.9]}) == pytest.approx(11.0)
    assert temperature({"streams": [ours, ours], "weights": [], "fusion": "route"}) == pytest.approx(1.0)
    assert temperature({"streams": [ours], "fusion": "route", "temperature": 3.0}) == pytest.approx(3.0)
