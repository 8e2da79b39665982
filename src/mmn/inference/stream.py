"""The stream of a network: everything about its input and classes that is not in its weights."""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from mmn.data.format.classes import Classes
from mmn.data.format.clips import Clips
from mmn.data.format.hdf5 import read_definitions
from mmn.data.format.layout import Layout
from mmn.data.format.names import check_classes
from mmn.data.pipeline.modality import Modality
from mmn.data.pipeline.preprocess import Preprocessing
from mmn.data.sources.words import some
from mmn.data.view.view import View
from mmn.errors import UserError

MMN_TARGET = "mmn.model.mmn.MMN"
ENSEMBLE_TARGET = "mmn.model.ensemble.MMNEnsemble"


@dataclass(frozen=True)
class Stream:
    """Data, preprocessing and network of one stream; with the weights, all that evaluation needs.

    Attributes:
        preprocessing: preprocessing of clips.
        layout: the skeleton it was trained on.
        classes: its classes.
        target: the network's class or factory, as ``module.Name``.
        arguments: its arguments; always with ``num_joints``, ``num_classes``, ``coordinates``, ``num_frames``.
        data: short name of the data set.
        data_path: the file it was trained on, as given.
        view: the part of that file it was trained on.
        trained_on: hashes of the training clips, in the layout's joints; see ``Clips.hashes``. None if unknown.
    """

    preprocessing: Preprocessing
    layout: Layout
    classes: Classes
    target: str
    arguments: dict[str, Any]
    data: str = ""
    data_path: str = ""
    view: View = field(default_factory=View)
    trained_on: list[int] | None = None

    @property
    def modality(self) -> Modality:
        """The modality of the network's input."""
        return self.preprocessing.modality

    @property
    def num_frames(self) -> int:
        """Frames T sampled from each clip."""
        return self.preprocessing.num_frames

    @property
    def coordinates(self) -> int:
        """Coordinates of a joint in a clip, 2 or 3."""
        two = self.modality.channels(2, self.layout)
        return 2 if self.arguments["coordinates"] == two else 3

    def with_arguments(self, changed: dict[str, Any]) -> "Stream":
        """The stream with other network arguments; the number of frames follows them."""
        arguments = {**self.arguments, **changed}
        preprocessing = replace(self.preprocessing, num_frames=arguments["num_frames"])
        return replace(self, arguments=arguments, preprocessing=preprocessing)

    def joints_in(self, layout: Layout) -> list[int]:
        """Indices of the network's joints in another layout, by name.

        Raises:
            UserError: naming those that are missing.
        """
        if lost := [joint for joint in self.layout.joints if joint not in layout.joints]:
            raise UserError(
                f"the clips' layout has no {some(lost)}, which the network needs; give clips that have all its joints."
            )
        return [layout.joints.index(joint) for joint in self.layout.joints]

    def seen(self, clips: Clips, layout: Layout) -> NDArray[np.bool_]:
        """Which clips ``(N,)`` the network was trained on, by their keypoints; none if that is unknown.

        Raises:
            UserError: the layout lacks a joint of the network's.
        """
        if self.trained_on is None:
            return np.zeros(len(clips), bool)
        return np.isin(clips.hashes(self.joints_in(layout)), np.array(self.trained_on, np.uint64))

    def view_of(self, path: str | Path | None) -> tuple[Path, View]:
        """The data file to use and the view of it: the training view for the training file, else joints and classes.

        A file with exactly the network's joints and classes is used whole.

        Args:
            path: another file; None for the training file.

        Raises:
            UserError: the file is missing, or not an mmn data file.
        """
        own = Path(self.data_path)
        if path is None or Path(path).resolve() == own.resolve():
            return own, self.view
        layout, classes = read_definitions(path)
        alike = (layout.joints, classes.names) == (self.layout.joints, self.classes.names)
        return Path(path), View() if alike else self.view.elsewhere()

    def as_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and strings, loadable with ``weights_only=True`` or as JSON."""
        return {
            "version": 2,
            **asdict(self),
            "preprocessing": self.preprocessing.as_dict(),
            "layout": self.layout.as_dict(),
            "view": self.view.as_dict(),
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any], where: str) -> "Stream":
        """The inverse of ``as_dict``.

        Raises:
            UserError: an unknown version.
        """
        if plain.get("version") != 2:
            raise UserError(f"{where} was written by a newer mmn (version {plain.get('version')}); update mmn.")
        classes = Classes(**plain["classes"])
        check_classes(classes, where)
        return cls(
            preprocessing=Preprocessing.from_dict(plain["preprocessing"]),
            layout=Layout.from_dict(plain["layout"], f"in {where}"),
            classes=classes,
            view=View(**plain.get("view", {})),
            trained_on=plain.get("trained_on"),
            **{key: plain[key] for key in ("target", "arguments", "data", "data_path")},
        )


def stream_of(network: nn.Module) -> Stream | None:
    """A loaded network's ``network.stream``; None if unknown (official weights)."""
    stream = getattr(network, "stream", None)
    return stream if isinstance(stream, Stream) else None


def with_stream(network: nn.Module, stream: Stream | None) -> nn.Module:
    """Set ``network.stream`` and return the network."""
    object.__setattr__(network, "stream", stream)
    return network
