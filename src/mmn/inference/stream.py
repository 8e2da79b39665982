"""What a network's scores are of: all that its weights do not say."""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import nn

from mmn.data.format.hdf5 import read_definitions
from mmn.data.format.layout import Classes, Layout
from mmn.data.format.names import check_classes
from mmn.data.pipeline.modality import Modality
from mmn.data.pipeline.preprocess import Preprocessing
from mmn.data.view.view import View
from mmn.errors import UserError

MMN_TARGET = "mmn.model.mmn.MMN"


@dataclass(frozen=True)
class Stream:
    """Data, preprocessing and network of one stream; evaluation needs nothing else but the weights.

    Attributes:
        preprocessing: what is done to a clip before the network sees it.
        layout: the skeleton it was trained on.
        classes: what it recognises.
        target: the network's class or factory, as ``module.Name``.
        arguments: what that was called with; ``num_joints``, ``num_classes``, ``coordinates``, ``num_frames`` always.
        data: short name of the data set.
        data_path: the file it was trained on, as it was given.
        data_digest: of that file's content; see ``mmn.data.format.skeletons.digest``. Empty where it is not known.
        view: what of that file it was trained on.
    """

    preprocessing: Preprocessing
    layout: Layout
    classes: Classes
    target: str
    arguments: dict[str, Any]
    data: str = ""
    data_path: str = ""
    data_digest: str = ""
    view: View = field(default_factory=View)

    @property
    def modality(self) -> Modality:
        """What the network sees of a clip."""
        return self.preprocessing.modality

    @property
    def num_frames(self) -> int:
        """Frames T sampled from each clip."""
        return self.preprocessing.num_frames

    def with_arguments(self, changed: dict[str, Any]) -> "Stream":
        """The stream of the network made with other arguments, which is shown as many frames as it takes."""
        arguments = {**self.arguments, **changed}
        preprocessing = replace(self.preprocessing, num_frames=arguments["num_frames"])
        return replace(self, arguments=arguments, preprocessing=preprocessing)

    def joints_in(self, layout: Layout) -> list[int]:
        """Where the joints of the network are in another layout, by name.

        Raises:
            UserError: naming those that it has not.
        """
        if lost := [joint for joint in self.layout.joints if joint not in layout.joints]:
            more = f" and {len(lost) - 10} more" if len(lost) > 10 else ""
            raise UserError(
                f"the layout of the clips has no {', '.join(lost[:10])}{more}, which the network sees; give clips that "
                "have all its joints."
            )
        return [layout.joints.index(joint) for joint in self.layout.joints]

    def view_of(self, path: str | Path | None) -> tuple[Path, View]:
        """The file to look at, and what of it: the one trained on as it was then, another by joints and classes.

        A file that has just the joints and classes of the network is taken whole.

        Args:
            path: another file; None for the one trained on.

        Raises:
            UserError: a file that is missing or none of ours.
        """
        own = Path(self.data_path)
        if path is None or Path(path).resolve() == own.resolve():
            return own, self.view
        layout, classes = read_definitions(path)
        alike = (layout.joints, classes.names) == (self.layout.joints, self.classes.names)
        return Path(path), View() if alike else self.view.elsewhere()

    def as_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and strings, so that what holds it loads with ``weights_only=True``, or as JSON."""
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
            UserError: a version this program does not read.
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
            **{key: plain[key] for key in ("target", "arguments", "data", "data_path", "data_digest")},
        )


def stream_of(network: nn.Module) -> Stream | None:
    """What ``network.stream`` says of a loaded network; None where nothing is known of it (official weights)."""
    stream = getattr(network, "stream", None)
    return stream if isinstance(stream, Stream) else None


def with_stream(network: nn.Module, stream: Stream | None) -> nn.Module:
    """The network itself, now with ``network.stream``."""
    object.__setattr__(network, "stream", stream)
    return network
