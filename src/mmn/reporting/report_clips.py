"""Clips in the report: the worst errors, animated, and gate weights on one of them."""

import html
from typing import Any

import numpy as np

from mmn.data.pipeline.modality import Modality
from mmn.data.pipeline.prepare import prepare_as
from mmn.data.pipeline.preprocess import Preprocessing
from mmn.evaluation.gates import BRANCHES, gate_weights, has_gates
from mmn.evaluation.predictions import predictions, probabilities
from mmn.evaluation.scores import Scores
from mmn.reporting.players import players
from mmn.reporting.result import Result
from mmn.reporting.skeleton import front_view

WORST = 6


def worst_clips(result: Result, scores: Scores) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The worst errors, and the data that animates them."""
    data, split = result.data, result.clips
    if data is None or split is None:
        return [], {"clips": [], "bones": [], "colours": []}
    chances, predicted = probabilities(scores), predictions(scores)
    wrong = np.flatnonzero(predicted != scores.labels)
    order = wrong[np.argsort(chances[wrong, scores.labels[wrong]])][:WORST]
    names = scores.classes.names
    moving = players([split.clip(split.names.index(scores.names[i])) for i in order], data.layout)
    shown = []
    for i, frames in zip(order, moving["clips"], strict=True):
        top = [(names[j], 100 * chances[i, j]) for j in np.argsort(-chances[i])[:5]]
        shown.append({"name": scores.names[i], "true": names[scores.labels[i]], "predicted": names[predicted[i]],
                      "frames": len(frames), "top": top})  # fmt: skip
    return shown, moving


def gates_on_a_clip(result: Result, clips: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The gates on the worst clip, or on the first one without errors; None for a network without gates."""
    checkpoint, data, split = result.checkpoint, result.data, result.clips
    if checkpoint is None or data is None or split is None or not has_gates(checkpoint.network):
        return None
    layout = data.layout
    index = split.names.index(clips[0]["name"]) if clips else 0
    if checkpoint.stream:
        preprocessing = checkpoint.stream.preprocessing
    else:  # official weights do not record their modality; the evaluation does
        modality = Modality(result.scores.source.record.get("modality", "joint"))
        preprocessing = Preprocessing(modality, checkpoint.arguments["num_frames"])
    x, times = prepare_as(preprocessing, [split.clip(index)], layout)
    gates = gate_weights(checkpoint.network, x, times)
    weights = np.empty((3, layout.num_joints))
    weights[:, layout.order] = gates.joints[0].numpy()  # from network order to the layout's
    pose = split.clip(index)[len(split.clip(index)) // 2]
    return {
        "name": split.names[index],
        "skeletons": [(name, _svg(pose, layout.bones, row)) for name, row in zip(BRANCHES, weights, strict=True)],
        "scales": ", ".join(f"1/{2**i} {float(w):.2f}" for i, w in enumerate(gates.scales[0])),
        "times": gates.times[0].numpy(),
    }


def _svg(pose: np.ndarray, bones: list[tuple[int, int]], weights: np.ndarray) -> str:
    """A skeleton whose joints grow and darken with their weight."""
    view = front_view(pose)
    place = (view - view.min(axis=0)) / max(float(np.ptp(view, axis=0).max()), 1e-6) * 260 + 20
    relative = (weights - weights.min()) / max(float(np.ptp(weights)), 1e-6)
    lines = "".join(
        f'<line x1="{place[a, 0]:.0f}" y1="{place[a, 1]:.0f}" x2="{place[b, 0]:.0f}" y2="{place[b, 1]:.0f}" '
        'stroke="#7f8790" stroke-width="2"/>'
        for a, b in bones
    )
    dots = "".join(
        f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{3 + 7 * r:.1f}" fill="#2563eb" fill-opacity="{0.25 + 0.7 * r:.2f}">'
        f"<title>{w:.3f}</title></circle>"
        for (x, y), r, w in zip(place, relative, weights, strict=True)
    )
    label = html.escape(f"weights from {weights.min():.2f} to {weights.max():.2f}")
    head = f'<svg viewBox="0 0 300 310" role="img" aria-label="{label}">'
    return f'{head}{lines}{dots}<text x="8" y="304">{label}</text></svg>'
