"""Evaluate a checkpoint, ours or official, or an ensemble of several.

python eval.py ckpt_path=RUN                                            # a run's best epoch, on its own data file
python eval.py ckpt_path=X.ckpt split=val data.path=F.h5
python eval.py ckpt_path=official.pt experiment=ma52_bone               # modality and data from the experiment
python eval.py ckpt_path=[joint.ckpt,bone.ckpt] weights=[0.5,0.5]       # weighted sum of two streams
"""

import hydra
from omegaconf import DictConfig

import mmn.engine.run_folder  # noqa: F401  # registers resolvers that configs use
from mmn.engine.entry import one_sentence, run_hydra
from mmn.engine.evaluation_request import read_request


@hydra.main(version_base="1.3", config_path="configs", config_name="eval")
def main(cfg: DictConfig) -> None:
    """Evaluate with the composed config."""
    with one_sentence():
        request = read_request(cfg)
        from mmn.engine.evaluate import evaluate  # imported here to keep --help and errors fast

        evaluate(cfg, request)


if __name__ == "__main__":
    run_hydra(main)
