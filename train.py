"""Train a network.

python train.py                                             # the synthetic demo
python train.py experiment=ma52_joint data.path=F.h5        # a published recipe
python train.py experiment=ma52_joint resume=true           # go on with the newest interrupted run of this command
python train.py -m experiment=ma52_joint modality=joint,bone,joint_motion,bone_motion
"""

import hydra
from omegaconf import DictConfig

import mmn.engine.run_folder  # noqa: F401  # configs name it
from mmn.engine.entry import one_sentence, run_hydra


@hydra.main(version_base="1.3", config_path="configs", config_name="train")
def main(cfg: DictConfig) -> float | None:
    """Train by the composed config; returns the optimised metric."""
    from mmn.engine.train import train  # here, so that --help answers at once

    with one_sentence():
        return train(cfg)


if __name__ == "__main__":
    run_hydra(main)
