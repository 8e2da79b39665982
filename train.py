"""Train a network.

python train.py                                             # the synthetic demo
python train.py experiment=ma52_joint data.path=F.h5        # a published recipe
python train.py experiment=ma52_joint resume=true           # resume the most recent interrupted run of this command
python train.py -m experiment=ma52_joint modality=joint,bone,joint_motion,bone_motion
"""

import hydra
from omegaconf import DictConfig

import mmn.engine.run_folder  # noqa: F401  # registers resolvers that configs use
from mmn.engine.entry import one_sentence, run_hydra


@hydra.main(version_base="1.3", config_path="configs", config_name="train")
def main(cfg: DictConfig) -> float | None:
    """Train with the composed config; returns the optimised metric."""
    from mmn.engine.train import train  # imported here to keep --help fast

    with one_sentence():
        return train(cfg)


if __name__ == "__main__":
    run_hydra(main)
