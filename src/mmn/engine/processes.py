"""Make every process that Lightning starts run the same Hydra job."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch.distributed as dist
from hydra.core.hydra_config import HydraConfig
from omegaconf import open_dict, read_write

_LAUNCHER_VARIABLES = ("LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@contextmanager
def same_job_in_every_process() -> Iterator[None]:
    """Within the block, processes that Lightning starts run this job: the same overrides, the same folder.

    Lightning starts the other ranks by re-running ``sys.argv``, which in a sweep would be the whole sweep, and with a
    sweeper that samples parameters another job (hydra issue 2070). Afterwards the process is restored for the next
    job of the sweep: no process group, none of the launcher's variables.
    """
    if not HydraConfig.initialized():  # called from Python, without Hydra
        yield
        return
    hydra: Any = HydraConfig.get()
    before = dict(os.environ)
    arguments, run_dir = sys.argv, hydra.run.dir
    overrides = [o for o in hydra.overrides.task if not o.startswith("hydra.")]
    sys.argv = [arguments[0], "--config-name", str(hydra.job.config_name), *overrides, "hydra.mode=RUN"]
    with read_write(hydra), open_dict(hydra):
        hydra.run.dir = str(Path(hydra.runtime.output_dir))
    try:
        yield
        if dist.is_available() and dist.is_initialized():
            dist.barrier()  # a rank that exits during a collective would take the others with it
    finally:
        sys.argv = arguments
        with read_write(hydra), open_dict(hydra):
            hydra.run.dir = run_dir
        if dist.is_available() and dist.is_initialized():
            dist.destroy_process_group()
        for name in _LAUNCHER_VARIABLES:
            if name not in before:
                os.environ.pop(name, None)
