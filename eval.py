"""Evaluate a checkpoint, ours or an official one, or several together.

python eval.py ckpt_path=RUN                                            # a run's best epoch, on its own data file
python eval.py ckpt_path=X.ckpt split=val data.path=F.h5
python eval.py ckpt_path=official.pt experiment=ma52_bone               # the experiment says modality and data
python eval.py ckpt_path=[joint.ckpt,bone.ckpt] weights=[0.5,0.5]       # streams added up
"""

import hydra
from omegaconf import DictConfig

import mmn.engine.run_folder  # noqa: F401  # configs name it
from mmn.engine.entry import one_sentence, run_hydra
from mmn.engine.evaluation_request import read_request


@hydra.main(version_base="1.3", config_path="configs", config_name="eval")
def main(cfg: DictConfig) -> None:
    """Evaluate by the composed config."""
    with one_sentence():
        request = read_request(cfg)
        from mmn.engine.evaluate import evaluate  # here, so that --help and mistakes answer at once

        evaluate(cfg, request)


if __name__ == "__main__":
    run_hydra(main)
