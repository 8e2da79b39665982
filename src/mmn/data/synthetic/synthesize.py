"""Seeded synthetic micro-actions for any layout; for demos, tests and benchmarks, not for results.

In each class, a few joints of one body part move briefly, in their own direction and rhythm. Meanwhile the whole body
sways, every joint jitters, and people differ in size, position and proportions, so that the action is small relative
to other motion.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mmn.data.format.classes import load_classes
from mmn.data.format.clips import Clips
from mmn.data.format.hdf5 import write_data
from mmn.data.format.layout import Layout, load_layout
from mmn.data.format.skeletons import SPLITS, SkeletonData
from mmn.data.sources.fill import fill_missing
from mmn.data.synthetic.rest_pose import rest_position
from mmn.errors import UserError


@dataclass(frozen=True)
class Action:
    """How one class moves.

    Attributes:
        joints: amplitude of the movement at each joint ``(V,)``, 0 for most.
        direction: unit vector ``(2,)``.
        cycles: oscillations per action; half a cycle moves out and back once.
        hold: share of the action spent at its extreme, 0–1.
    """

    joints: NDArray[np.float64]
    direction: NDArray[np.float64]
    cycles: float
    hold: float


@dataclass(frozen=True)
class Scene:
    """Settings shared by all clips; lengths in frames, amplitudes in torso lengths."""

    frames: tuple[int, int]
    amplitude: float
    sway: float
    noise: float
    occlusion: float


def synthesize(
    output: str | Path,
    layout: str | Path = "ma52",
    *,
    classes: str | Path | None = None,
    clips_per_class: int = 24,
    val_per_class: int = 6,
    test_per_class: int = 6,
    frames: tuple[int, int] = (40, 120),
    amplitude: float = 0.45,
    sway: float = 0.25,
    noise: float = 0.01,
    occlusion: float = 0.0,
    imbalance: float = 1.0,
    seed: int = 1,
) -> SkeletonData:
    """Write a synthetic data set.

    Args:
        output: the HDF5 file.
        layout: a built-in layout or a YAML file.
        classes: the layout that defines the classes; None for ``layout`` itself.
        clips_per_class: training clips per class; with ``imbalance``, those of the most frequent class.
        val_per_class: the same for validation clips.
        test_per_class: the same for test clips.
        frames: minimum and maximum clip length.
        amplitude: amplitude of an action, in torso lengths.
        sway: amplitude of the whole body's sway, in torso lengths.
        noise: standard deviation of the jitter per joint and frame, in torso lengths.
        occlusion: mean fraction of missing joints, each lost for a run of frames and filled in as by ``mmn convert``.
        imbalance: clips of the most frequent class over those of the rarest; exponential in between.
        seed: equal seeds give equal files.

    Returns:
        The data set that was written.

    Raises:
        UserError: invalid counts or lengths, or a layout without classes.
    """
    counts = {"train": clips_per_class, "val": val_per_class, "test": test_per_class}
    if min(counts.values()) < 0 or clips_per_class < 1 or not 2 <= frames[0] <= frames[1]:
        raise UserError(
            f"{counts} clips per class of {frames[0]}–{frames[1]} frames make no data set; use positive counts."
        )
    if not 0.0 <= occlusion <= 0.5 or imbalance < 1.0:
        raise UserError(f"occlusion is {occlusion} and imbalance {imbalance}; use 0 to 0.5 and at least 1.")
    skeleton, known = load_layout(layout), load_classes(classes or layout)
    if known is None:
        raise UserError(f"the layout {classes or layout} has no class names, which synthetic data needs; name another.")
    rng = np.random.default_rng(seed)
    pose = rest_pose(skeleton, rng)
    actions = [draw_action(skeleton, rng) for _ in known.names]
    scene = Scene(frames, amplitude, sway, noise, occlusion)
    frequency = imbalance ** -np.random.default_rng([seed, len(SPLITS)]).permutation(np.linspace(0, 1, len(actions)))
    splits = {
        split: _split(split, pose, actions, _counts(count, frequency), scene, np.random.default_rng([seed, number]))
        for number, (split, count) in enumerate(counts.items())
        if count > 0
    }
    if occlusion:
        splits = {split: fill_missing(clips, skeleton, split) for split, clips in splits.items()}
    data = SkeletonData(Path(output).stem, f"synthetic micro-actions, seed {seed}", skeleton, known, splits)
    write_data(output, data)
    return data


def rest_pose(layout: Layout, rng: Generator) -> NDArray[np.float64]:
    """A standing pose ``(V, 2)`` in torso lengths around the centre joint.

    Joints named as in the built-in layouts are placed anatomically; others extend along the bones from the centre.
    """
    pose = rng.normal(0.0, 0.5, (layout.num_joints, 2))
    known = {joint: place for joint, name in enumerate(layout.joints) if (place := rest_position(name))}
    for joint, place in known.items():
        pose[joint] = place
    centre = pose[layout.centre].copy()
    for joint, origin in layout.walk(layout.centre).items():
        if joint != origin and joint not in known:
            outward = pose[origin] - centre + rng.normal(0.0, 0.35, 2)
            length = max(float(np.linalg.norm(outward)), 1e-6)
            pose[joint] = pose[origin] + outward / length * rng.uniform(0.2, 0.5)
    return pose - centre


def draw_action(layout: Layout, rng: Generator) -> Action:
    """How some class moves."""
    parts = list(layout.parts.values())
    part = parts[rng.integers(len(parts))]
    chosen = rng.choice(part, size=min(len(part), int(rng.integers(2, 5))), replace=False)
    weights = np.zeros(layout.num_joints)
    weights[chosen] = rng.uniform(0.5, 1.0, len(chosen))
    angle = rng.uniform(0.0, 2 * np.pi)
    return Action(
        weights, np.array([np.cos(angle), np.sin(angle)]), float(rng.choice([0.5, 1.0, 2.0, 3.0])), rng.uniform(0, 0.5)
    )


def _counts(most: int, frequency: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.maximum(1, np.rint(most * frequency)).astype(np.int64)


def _split(
    split: str,
    pose: NDArray[np.float64],
    actions: list[Action],
    counts: NDArray[np.int64],
    scene: Scene,
    rng: Generator,
) -> Clips:
    labels = rng.permutation(np.repeat(np.arange(len(actions)), counts))
    arrays = []
    for label in labels:
        length = int(rng.integers(scene.frames[0], scene.frames[1] + 1))
        body = swaying_body(pose, length, scene.sway, rng)
        duration = max(4, int(length * rng.uniform(0.3, 0.5)))
        start = int(rng.integers(0, max(1, length - duration)))
        body += scene.amplitude * movement(actions[label], length, start, duration, rng)
        body += rng.normal(0.0, scene.noise, body.shape)
        scale, place = rng.uniform(80.0, 160.0), rng.uniform(300.0, 700.0, 2)  # pixels
        clip = body * scale + place
        if scene.occlusion:
            clip[_occluded(clip.shape[:2], scene.occlusion, rng)] = np.nan
        arrays.append(clip)
    names = [f"{split}{i:04d}" for i in range(len(labels))]
    return Clips.from_arrays(arrays, [int(label) for label in labels], names)


def _occluded(shape: tuple[int, ...], share: float, rng: Generator) -> NDArray[np.bool_]:
    """Mask of occluded joints ``(T, V)``: each for one run of half the clip on average, and never all at once."""
    frames, joints = shape
    start, length = rng.uniform(0, 1, joints), rng.uniform(0, 1, joints)
    hit = rng.uniform(0, 1, joints) < 2 * share
    hit[rng.integers(joints)] = False
    time = np.arange(frames)[:, None] / frames
    return hit & ((time - start) % 1.0 < length)


def swaying_body(
    pose: NDArray[np.float64], length: int, sway: float, rng: Generator, cycles: float = 1.0
) -> NDArray[np.float64]:
    """One person swaying ``(T, V, 2)``, ``cycles`` times: smooth, and equal for all joints apart from a slight lean."""
    person = pose * rng.normal(1.0, 0.08, (1, 2)) + rng.normal(0.0, 0.02, pose.shape)
    time = np.linspace(0.0, cycles, length)[:, None]
    waves = sum(
        rng.normal(0.0, 1.0 / k, 2) * np.sin(2 * np.pi * k * time + rng.uniform(0, 2 * np.pi, 2))
        for k in (0.5, 1.0, 1.5)
    )
    lean = 1.0 + 0.1 * rng.normal() * person[None, :, 1:]
    return person[None] + sway * np.asarray(waves)[:, None, :] * lean


def movement(action: Action, length: int, start: int, duration: int, rng: Generator) -> NDArray[np.float64]:
    """The action's displacement ``(T, V, 2)``: zero outside ``duration`` frames from ``start`` on."""
    phase = np.clip((np.arange(length) - start) / duration, 0.0, 1.0)
    window = np.sin(np.pi * phase) ** (1.0 - action.hold)
    wave = window if action.cycles == 0.5 else window * np.sin(2 * np.pi * action.cycles * phase)
    reach = rng.uniform(0.8, 1.2) * wave
    return reach[:, None, None] * action.joints[:, None] * action.direction


def make_demo(path: Path, **options: Any) -> None:
    """Write the demo data set; ``configs/data/demo.yaml`` calls this if the file is missing."""
    print(f"generating the synthetic demo data set: {path}", flush=True)
    synthesize(path, **options)
