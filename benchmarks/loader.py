"""Throughput of the data pipeline: python benchmarks/loader.py

Training batches at MA-52's shape (44 joints, clips of 20 to 200 frames, batches of 64, official augmentation), ours
against a plain numpy pipeline that processes one clip at a time in the same steps. Then one pass over a synthetic file
of MA-52's size (11,250 training clips), opened, checked and read, both in memory and lazily. With a GPU, also the time
of batches made on it (``data.on_device=true``).
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader

from mmn import tune_runtime
from mmn.data.format.clips import Clips
from mmn.data.format.hdf5 import read_data, write_data
from mmn.data.format.layout import Layout
from mmn.data.pipeline.augment import Augmentation, ZeroAxis, ZeroFrames
from mmn.data.pipeline.batches import BatchDataset, BatchSampler
from mmn.data.pipeline.modality import STREAMS, Modality
from mmn.data.pipeline.preprocess import ClipFetcher, Preprocessing, RandomDraws
from mmn.data.synthetic.synthesize import synthesize

BATCH, FRAMES, P = 64, 64, 0.2


def plain_clip(clip: np.ndarray, layout: Layout, modality: str, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """One training sample, in the official order of steps: ``(T, V, C)`` and frame times ``(T,)``."""
    x = clip - clip[0, layout.centre]
    low, high = x.min(axis=(0, 1)), x.max(axis=(0, 1))
    x = (x - low) / (high - low + 1e-6) * 2 - 1
    index = np.sort(rng.integers(0, len(x), FRAMES))
    times = 2 * index / len(x) - 1
    x = x[index]
    if rng.random() < P:
        x[..., rng.integers(x.shape[-1])] = 0
    if rng.random() < P:
        length = rng.integers(4, 17)
        start = rng.integers(0, FRAMES - length + 1)
        x[start : start + length] = 0
    if modality.startswith("bone"):
        bones = np.zeros_like(x)
        for start, end in layout.bones:
            bones[:, start] = x[:, start] - x[:, end]
        x = bones
    if modality.endswith("motion"):
        motion = np.zeros_like(x)
        motion[:-1] = x[1:] - x[:-1]
        x = motion
    return x[:, layout.order].astype(np.float32), times.astype(np.float32)


def plain_batches(clips: Clips, layout: Layout, modality: str, count: int) -> None:
    """Collate ``count`` batches."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        samples = [plain_clip(clips.clip(i), layout, modality, rng) for i in rng.integers(0, len(clips), BATCH)]
        torch.from_numpy(np.stack([x for x, _ in samples])), torch.from_numpy(np.stack([t for _, t in samples]))


def training_loader(clips: Clips, layout: Layout, modality: str, device: str = "cpu") -> DataLoader:
    """The loader that training iterates over."""
    training = RandomDraws(seed=1, augmentation=Augmentation([ZeroAxis(P), ZeroFrames(P)]))
    fetcher = ClipFetcher(clips, layout, Preprocessing(Modality(modality), FRAMES), training, device)
    return DataLoader(BatchDataset(fetcher), sampler=BatchSampler(torch.arange(len(clips)), BATCH, 1), batch_size=None)


def one_pass(loader: DataLoader, epoch: int = 0) -> None:
    """Iterate over every batch of an epoch."""
    loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
    for _ in loader:
        pass


def seconds(function: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def on_gpu(clips: Clips, layout: Layout, modality: str, batches: int = 100) -> tuple[float, float]:
    """Milliseconds until a batch made on the GPU is queued, and until it is done."""
    loader = iter(training_loader(clips, layout, modality, "cuda"))
    for _ in range(5):
        next(loader)
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(batches):
        next(loader)
    queued = time.perf_counter() - start
    torch.cuda.synchronize()
    return 1e3 * queued / batches, 1e3 * (time.perf_counter() - start) / batches


def main() -> None:
    """Measure, print Markdown, and write JSON if requested."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=7, help="repetitions of each measurement; the median is reported")
    parser.add_argument("--clips", type=int, default=11_250, help="training clips in the file")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    options = parser.parse_args()
    tune_runtime()
    figures: dict[str, object] = {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "clips": options.clips,
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ma52_sized.h5"
        data = synthesize(path, "ma52", clips_per_class=-(-options.clips // 52), val_per_class=0, test_per_class=0,
                          frames=(20, 200))  # fmt: skip
        train = data.splits["train"]
        kept = int(train.offsets[options.clips])
        train = replace(train, keypoints=train.keypoints[:kept], offsets=train.offsets[: options.clips + 1],
                        labels=train.labels[: options.clips], names=train.names[: options.clips])  # fmt: skip
        write_data(path, replace(data, splits={"train": train}))
        figures["file_mb"] = round(path.stat().st_size / 1e6)
        figures["open_and_check_s"] = statistics.median(seconds(lambda: read_data(path)) for _ in range(3))
        figures["open_and_check_lazy_s"] = statistics.median(
            seconds(lambda: read_data(path, memory_limit=0)) for _ in range(3)
        )
        print(f"\n{options.clips:,} synthetic clips, {figures['file_mb']} MB; torch {torch.__version__}, "
              f"{torch.get_num_threads()} threads\n")  # fmt: skip
        print("| modality | plain, clips/s | ours, clips/s | ratio | one pass, s |\n|---|---|---|---|---|")
        for modality in STREAMS:
            loader = training_loader(train, data.layout, modality)
            one_pass(loader)
            plain, ours = [], []
            for repeat in range(options.repeat):  # alternately, so that a busy machine slows both
                plain.append(BATCH * 4 / seconds(lambda m=modality: plain_batches(train, data.layout, m, 4)))
                ours.append(len(loader) * BATCH / seconds(lambda e=repeat, lo=loader: one_pass(lo, e + 1)))
            ratio = statistics.median(o / p for o, p in zip(ours, plain, strict=True))
            row = {"plain": statistics.median(plain), "ours": statistics.median(ours), "ratio": ratio}
            figures[modality] = row
            print(f"| {modality} | {row['plain']:,.0f} | {row['ours']:,.0f} | {ratio:.0f} | "
                  f"{options.clips / row['ours']:.3f} |")  # fmt: skip
            if torch.cuda.is_available():
                queued, done = figures[f"{modality}_on_gpu_ms"] = on_gpu(train, data.layout, modality)
                print(f"| on the GPU: queued after {queued:.2f} ms, done after {done:.2f} ms a batch |")
        lazy = training_loader(read_data(path, memory_limit=0).splits["train"], data.layout, "joint")
        figures["from_file_clips_s"] = len(lazy) * BATCH / seconds(lambda: one_pass(lazy))
        print(f"\nopened and checked in {figures['open_and_check_s']:.2f} s, "
              f"opened lazily and checked in {figures['open_and_check_lazy_s']:.2f} s; "
              f"joints read from the file batch by batch: {figures['from_file_clips_s']:,.0f} clips/s")  # fmt: skip
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
