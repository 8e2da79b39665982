"""Process settings for fast training and evaluation; importing this has no effect."""

import ctypes
import logging
import os
import sys
import warnings

import torch

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # from glibc's malloc.h
_THRESHOLD = 1 << 30


def tune_runtime() -> None:
    """Use only the CPUs available to this process, and keep freed memory; safe to call twice.

    By default glibc maps and unmaps every large tensor, and page faults take up to half of a step on CPU.
    """
    if hasattr(os, "sched_getaffinity") and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(min(torch.get_num_threads(), len(os.sched_getaffinity(0))))
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc only
        if mallopt is not None:
            mallopt(_M_MMAP_THRESHOLD, _THRESHOLD)
            mallopt(_M_TRIM_THRESHOLD, _THRESHOLD)


def quiet_libraries() -> None:
    """Silence library messages that users cannot act on."""
    for library in ("lightning.pytorch", "lightning.fabric", "matplotlib"):
        logging.getLogger(library).setLevel(logging.WARNING)
    for message in (
        ".*LeafSpec.*is deprecated",  # between torch and lightning
        "The number of training batches.*is smaller than the logging interval",  # small data sets are fine
        "Experiment logs directory.*exists and is not empty",  # a resumed or repeated run
        "Checkpoint directory.*exists and is not empty",
        "The dirpath has changed from",  # a run resumed in a new folder
        "You're resuming from a checkpoint that ended before the epoch ended",  # our sampler resumes mid-epoch
        r"Found \d+ module\(s\) in eval mode at the start of training",  # freeze=body
        "Grad strides do not match bucket view strides",  # of depthwise convolutions; costs nothing here
    ):
        warnings.filterwarnings("ignore", message=message)
