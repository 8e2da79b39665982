"""Animated skeletons, and a network's predictions drawn below them."""

import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image, ImageSequence

import mmn
from mmn.cli.main import main
from mmn.data.format.hdf5 import read_data
from mmn.data.format.skeletons import SkeletonData
from mmn.data.pipeline.augment import Augmentation
from mmn.data.pipeline.augment_joints import DropParts
from mmn.data.pipeline.augment_space import Shear
from mmn.data.pipeline.prepare import prepare
from mmn.errors import UserError
from mmn.inference.checkpoint import Checkpoint, load_checkpoint
from mmn.inference.infer import infer
from mmn.inference.sliding import default_window, sliding_probabilities, window_starts
from mmn.reporting.animation import find_clip
from mmn.reporting.augmented import augmented
from mmn.reporting.prediction_strip import Prediction, PredictionArtist, class_colours
from mmn.reporting.skeleton import SkeletonArtist, front_view


def test_clips_side_by_side_move_frame_by_frame(jhmdb_like: Path, tmp_path: Path) -> None:
    main(["animate", str(jhmdb_like), "val0001", "test/test0003", str(tmp_path / "x.gif")])
    assert list(tmp_path.iterdir()) == [tmp_path / "x.gif"]
    with Image.open(tmp_path / "x.gif") as film:
        frames = [np.asarray(frame.convert("L"), np.int16) for frame in ImageSequence.Iterator(film)]
    data = read_data(jhmdb_like)
    assert len(frames) == max(len(data.splits["val"].clip(1)), len(data.splits["test"].clip(3)))
    assert all(np.abs(a - b).max() > 50 for a, b in itertools.pairwise(frames))


def test_animations_are_written_as_html(jhmdb_like: Path, tmp_path: Path) -> None:
    main(["animate", str(jhmdb_like), "val0001", str(tmp_path / "x.html")])
    assert (tmp_path / "x.html").read_bytes().startswith(b"\n<link")


def test_joints_that_were_filled_in_are_hollow(small: SkeletonData) -> None:
    clip = small.splits["test"].clip(0)
    artist = SkeletonArtist(Figure().subplots(), small.layout, clip)
    filled = np.zeros(15, bool)
    filled[[2, 9]] = True
    artist.show(clip[3], filled)
    faces, edges = artist.points.get_facecolor(), artist.points.get_edgecolor()
    assert [i for i in range(15) if (faces[i] == 1).all()] == [2, 9]
    assert (faces[~filled] == edges[~filled]).all()
    np.testing.assert_allclose(artist.points.get_offsets(), clip[3])
    ends = [(clip[3][a], clip[3][b]) for a, b in small.layout.bones]
    np.testing.assert_allclose(artist.lines.get_segments(), ends)


def test_the_strip_shows_the_most_likely_classes_and_follows_the_frame() -> None:
    chances = np.array([[0.5, 0.4, 0.1], [0.45, 0.35, 0.2], [0.2, 0.1, 0.7], [0.1, 0.1, 0.8]])
    prediction = Prediction(["sit", "never", "wave"], chances, 2)
    assert prediction.likeliest == [2, 0]
    artist = PredictionArtist(Figure().subplots(), prediction, class_colours([prediction]))
    assert [artist.show(frame) for frame in (0, 3)] == ["sit 50 %", "wave 80 %"]
    assert artist.mark.get_xdata() == [3]
    assert artist.span.get_x() == 2


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
def test_animations_are_written_as_mp4(jhmdb_like: Path, tmp_path: Path) -> None:
    main(["animate", str(jhmdb_like), "val0001", str(tmp_path / "x.mp4")])
    assert (tmp_path / "x.mp4").read_bytes()[4:8] == b"ftyp"


@pytest.mark.parametrize(
    ("names", "output", "sentence"),
    [
        (["nobody"], "x.gif", "has 0 clips called nobody"),
        (["val0001"], "x.png", "animations are written as .gif"),
        (["--fps=0", "val0001"], "x.gif", "--fps is 0; use 1 or more"),
        (["--window=9", "val0001"], "x.gif", "--window is for --checkpoint; give both"),
        (["--epochs=9", "val0001"], "x.gif", "--epochs is for --augmentation; give both"),
    ],
)
def test_invalid_animations_are_refused(jhmdb_like: Path, tmp_path: Path, names, output, sentence) -> None:
    with pytest.raises(SystemExit, match=sentence):
        main(["animate", str(jhmdb_like), *names, str(tmp_path / output)])
    assert list(tmp_path.iterdir()) == []


def test_drawings_have_y_down_and_show_3d_from_the_front() -> None:
    flat, deep = np.ones((4, 15, 2), np.float32), np.ones((4, 15, 3), np.float32)
    np.testing.assert_array_equal(front_view(flat), flat)
    np.testing.assert_array_equal(front_view(deep), flat * [1, -1])


@pytest.fixture(scope="module")
def checkpoint(small_checkpoint: Path) -> Checkpoint:
    return load_checkpoint(small_checkpoint)


def test_a_window_of_the_whole_clip_matches_evaluation(checkpoint: Checkpoint, small: SkeletonData) -> None:
    clip = small.splits["test"].clip(0)
    chances = sliding_probabilities(checkpoint, clip, small.layout, len(clip))
    whole = infer(checkpoint.network, *prepare([clip], small.layout, "bone", 16)).softmax(dim=1).numpy()
    np.testing.assert_allclose(chances, np.repeat(whole, len(clip), axis=0), atol=1e-6)


def test_probabilities_are_those_of_predict(run: Path, small: SkeletonData) -> None:
    best, clip = run / "checkpoints" / "best.ckpt", small.splits["test"].clip(0)
    chances = sliding_probabilities(load_checkpoint(best), clip, small.layout, len(clip))
    np.testing.assert_allclose(chances[:1], mmn.Predictor(best)([clip]), atol=1e-6)


def test_each_frame_has_the_probabilities_of_the_window_around_it(checkpoint: Checkpoint, small: SkeletonData) -> None:
    clip = small.splits["test"].clip(0)
    chances = sliding_probabilities(checkpoint, clip, small.layout, 5)
    assert chances.shape == (len(clip), 14)
    seventh = infer(checkpoint.network, *prepare([clip[5:10]], small.layout, "bone", 16)).softmax(dim=1).numpy()[0]
    np.testing.assert_allclose(chances[7], seventh, atol=1e-6)
    assert window_starts(8, 5).tolist() == [0, 0, 0, 1, 2, 3, 3, 3]
    assert [default_window(frames) for frames in (1, 40, 500)] == [1, 20, 64]


def test_windows_longer_than_the_clip_are_refused(checkpoint: Checkpoint, small: SkeletonData) -> None:
    with pytest.raises(UserError, match="a window of 9 frames does not fit a clip of 4 frames; give 1 to 4"):
        sliding_probabilities(checkpoint, small.splits["test"].clip(0)[:4], small.layout, 9)


def test_predictions_are_drawn_below_the_clips(jhmdb_like: Path, small_checkpoint: Path, tmp_path: Path) -> None:
    output = tmp_path / "x.gif"
    main(["animate", str(jhmdb_like), "val0001", "val0002", str(output), "--checkpoint", str(small_checkpoint)])
    assert output.read_bytes().startswith(b"GIF8")


def test_a_checkpoint_of_another_skeleton_is_refused(jhmdb_like: Path, tmp_path: Path) -> None:
    official = Path(__file__).parent / "fixtures" / "official_small.pt"
    with pytest.raises(SystemExit, match=r"is for 10 joints, but .* has 15"):
        main(["animate", str(jhmdb_like), "val0001", str(tmp_path / "x.gif"), "--checkpoint", str(official)])
    assert list(tmp_path.iterdir()) == []


def test_augmented_versions_of_a_clip_are_shown(jhmdb_like: Path, tmp_path: Path, small: SkeletonData) -> None:
    output = tmp_path / "x.gif"
    main(["animate", str(jhmdb_like), "val0001", str(output), "--augmentation", "strong", "--epochs", "1"])
    assert output.read_bytes().startswith(b"GIF8")
    clip = find_clip(small, "val0001")
    plain, first, second = augmented(clip, small.layout, Augmentation([Shear(1.0, 0.5)]), "lean", 2)
    height = clip.keypoints.max(axis=(0, 1)) - clip.keypoints.min(axis=(0, 1))
    shown = plain.keypoints.max(axis=(0, 1)) - plain.keypoints.min(axis=(0, 1))
    np.testing.assert_allclose(shown / height, 2 / height.max(), rtol=1e-4)  # the clip itself, its joints in place
    centre = small.layout.centre
    np.testing.assert_allclose(
        (plain.keypoints[3] - plain.keypoints[3, centre]) * height.max() / 2,
        clip.keypoints[3] - clip.keypoints[3, centre], rtol=1e-3, atol=1e-3,
    )  # fmt: skip
    assert np.abs(first.keypoints - plain.keypoints).max() > 0.02
    assert np.abs(first.keypoints - second.keypoints).max() > 0.02
    assert (first.title, second.title) == ("lean, epoch 0", "lean, epoch 1")
    dropped = augmented(clip, small.layout, Augmentation([DropParts(1.0)]), "", 1)[1]
    assert dropped.filled.all(axis=0).sum() == 3


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--augmentation", "none_such"], "unknown augmentation none_such"),
        (["--augmentation", "strong", "--checkpoint"], "give only one"),
    ],
)
def test_invalid_augmentations_are_refused(jhmdb_like, small_checkpoint, tmp_path, arguments, sentence) -> None:
    checkpoint = [str(small_checkpoint)] if "--checkpoint" in arguments else []
    with pytest.raises(SystemExit, match=sentence):
        main(["animate", str(jhmdb_like), "val0001", str(tmp_path / "x.gif"), *arguments, *checkpoint])
