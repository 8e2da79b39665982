"""One self-contained offline page about a run or an evaluation, or about two side by side."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import yaml
from bokeh.embed import components
from bokeh.resources import Resources

from mmn.errors import UserError
from mmn.evaluation.errors import likely_label_errors
from mmn.evaluation.paired import SIGNIFICANT, paired
from mmn.evaluation.scores import Scores
from mmn.files import replacing
from mmn.outside import read_yaml
from mmn.provenance import provenance
from mmn.reporting.report_column import ReportColumn, report_column
from mmn.reporting.result import Result, load_trainings
from mmn.reporting.table import MORE_TITLES, TITLES
from mmn.reporting.unlabelled import unlabelled_content
from mmn.text import counted


def write_report(folders: Sequence[Path], output: Path, against: Sequence[Path] = (), split: str | None = None) -> None:
    """Write the page.

    Args:
        folders: a run or an evaluation, or several trainings (seeds) or folds of one setting.
        output: the HTML file.
        against: the folders to compare it with.
        split: the split; test by default, if any.

    Raises:
        UserError: a folder has no scores, or there are no labelled clips to compare.
    """
    results = [load_trainings(folders, split)]
    if against:
        results.append(load_trainings(against, results[0].split))
    names = _names(results)
    unlabelled = [name for name, result in zip(names, results, strict=True) if not (result.scores.labels >= 0).any()]
    if unlabelled and against:
        raise UserError(f"{unlabelled[0]} has no labelled clips to compare; leave --against out.")
    if unlabelled:
        write_page(output, "unlabelled.html", unlabelled_content(results[0], names[0], _provenance(results[0])))
        return
    sides = [report_column(number, result, names[number]) for number, result in enumerate(results)]
    drawings = {f"{name}{one.number}": plot for one in sides for name, plot in one.drawings.items()}
    script, parts = components(drawings)
    suspects, streams = _suspects(results)
    first = sides[0]
    content = {
        "title": " against ".join(one.name for one in sides) + f": {results[0].split}",
        "subtitle": f"{len(first.scores.names)} labelled clips, {len(first.scores.classes.names)} classes",
        "note": " ".join(dict.fromkeys(result.no_clips for result in results if result.no_clips)),
        "sides": sides,
        "sections": [name for name, there in _sections(sides).items() if there],
        "titles": {**TITLES, **MORE_TITLES},
        "parts": parts,
        "players": json.dumps([one.players for one in sides], separators=(",", ":")).replace("</", "<\\/"),
        "suspects": suspects,
        "trained_on": results[0].split == "train",
        "streams": len(streams),
        "provenance": [(one.name, _provenance(result)) for one, result in zip(sides, results, strict=True)],
        "bokeh_resources": Resources(mode="inline", components=["bokeh"]).render(),
        "bokeh_script": script,
        **_difference(results),
    }
    write_page(output, "report.html", content)


def write_page(output: Path, template: str, content: dict[str, Any]) -> None:
    """Fill in one of the package's templates."""
    templates = jinja2.Environment(loader=jinja2.PackageLoader("mmn.reporting"), autoescape=True)
    page = templates.get_template(template).render(**content)
    with replacing(output) as part:
        part.write_text(page, encoding="utf-8")


def _names(results: list[Result]) -> list[str]:
    """A name for each result: its folder's, with as many parent folders as needed to distinguish them."""
    folders = [result.folder.resolve() for result in results]
    depth = next((d for d in range(1, 9) if len({f.parts[-d:] for f in folders}) == len(folders)), 1)
    names = ["/".join(folder.parts[-depth:]) for folder in folders]
    more = [result.others for result in results]
    return [f"{name} and {count} more" if count else name for name, count in zip(names, more, strict=True)]


def _sections(sides: list[ReportColumn]) -> dict[str, bool]:
    return {
        "metrics": True,
        "difference": len(sides) > 1,
        "curves": any("loss" in one.drawings for one in sides),
        "confusion": True,
        "classes": True,
        "calibration": True,
        "mistakes": any(one.clips for one in sides),
        "gates": any(one.gates for one in sides),
        "errors": any(one.errors for one in sides),
        "labels": True,
        "provenance": True,
    }


def _difference(results: list[Result]) -> dict[str, Any]:
    """How the first differs from the second, or why they cannot be compared."""
    if len(results) < 2:
        return {}
    try:
        return {"difference": paired(results[0].trainings, results[1].trainings), "significant": SIGNIFICANT}
    except UserError as error:
        return {"incomparable": str(error)}


def _suspects(results: list[Result]) -> tuple[list[dict[str, Any]], list[Scores]]:
    """Labels that all streams contradict, and the streams; of the first result only, if the second has other clips."""
    found = [stream for result in results for stream in result.streams or result.trainings]
    streams = list({stream.source.checkpoints or id(stream): stream for stream in found}.values())  # each network once
    try:
        return likely_label_errors(streams), streams
    except UserError:
        return _suspects(results[:1])


def _provenance(result: Result) -> str:
    source = result.scores.source
    content: dict[str, Any] = {"folder": result.folder.resolve().name, "split": result.split}
    if result.others:
        content["others"] = f"{counted(result.others, 'folder')} more; the config is the first one's"
    if result.data is not None:
        with Path(source.data).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        content["data"] = {"file": Path(source.data).name, "source": result.data.source, "sha256": digest}
    config = result.folder / "config.yaml"
    if config.exists():
        plain = read_yaml(config)
        for private in ("paths", "callbacks", "logger"):
            plain.pop(private, None)
        content["config"] = plain
    content["versions"] = provenance()
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
