"""The report's interactive Bokeh plots, readable on light and dark backgrounds."""

from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, HoverTool
from bokeh.palettes import Viridis256
from bokeh.plotting import figure
from bokeh.transform import linear_cmap

_INK = "#7f8790"  # readable on white and on near-black
_BLUE, _ORANGE = "#3b82f6", "#f59e0b"


def curves(columns: dict[str, tuple[list[int], list[float]]], names: tuple[str, ...], title: str) -> Any:
    """Lines over the steps of training."""
    plot = _figure(title=title, x_axis_label="step", height=260)
    for name, colour in zip(names, (_BLUE, _ORANGE), strict=False):
        if name in columns:
            steps, values = columns[name]
            plot.line(steps, values, line_width=2, color=colour, legend_label=name)
            plot.scatter(steps, values, size=4, color=colour, legend_label=name)
    plot.add_tools(HoverTool(tooltips=[("step", "@x"), ("value", "@y{0.000}")]))
    if plot.legend:
        plot.legend.location = "top_right" if names[-1].endswith("loss") else "bottom_right"  # losses fall, others rise
        plot.legend.background_fill_alpha = 0
        plot.legend.border_line_alpha = 0
        plot.legend.label_text_color = _INK
    return plot


def confusion(counts: np.ndarray, names: list[str]) -> Any:
    """Rows true, columns predicted; colour is the share of the true class."""
    k = len(names)
    share = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    rows, columns = np.divmod(np.arange(k * k), k)
    content = {
        "true": [names[i] for i in rows],
        "predicted": [names[j] for j in columns],
        "count": counts.ravel(),
        "share": share.ravel(),
    }
    size: dict[str, Any] = {"x_range": names, "y_range": names[::-1], "height": max(380, 14 * k + 140)}
    plot = _figure(x_axis_label="predicted", y_axis_label="true", **size)
    colour = linear_cmap("share", list(Viridis256), low=0, high=100)
    source = ColumnDataSource(content)
    cells = plot.rect("predicted", "true", 1, 1, source=source, line_color=None, fill_color=colour)
    plot.xaxis.major_label_orientation = 1.2
    bar = cells.construct_color_bar(width=8, background_fill_alpha=0, major_label_text_color=_INK)
    plot.add_layout(bar, "right")
    tooltips = [("true", "@true"), ("predicted", "@predicted"), ("clips", "@count"), ("share", "@share{0.0} %")]
    plot.add_tools(HoverTool(tooltips=tooltips))
    return plot


def class_bars(rows: list[dict[str, Any]]) -> Any:
    """F1 of each class, best first, with its clips."""
    ordered = sorted(rows, key=lambda row: row["f1"])
    source = ColumnDataSource({key: [row[key] for row in ordered] for key in ordered[0]})
    plot = _figure(y_range=[row["name"] for row in ordered], x_range=(0, 100), x_axis_label="F1, %",
                   height=max(260, 15 * len(ordered) + 60))  # fmt: skip
    plot.hbar("name", right="f1", height=0.7, source=source, color=_BLUE)
    plot.add_tools(
        HoverTool(
            tooltips=[("class", "@name"), ("F1", "@f1{0.0} %"), ("precision", "@precision{0.0} %"),
                      ("recall", "@recall{0.0} %"), ("clips", "@clips")]
        )
    )  # fmt: skip
    return plot


def reliability(bins: list[dict[str, Any]]) -> Any:
    """Accuracy against confidence; the diagonal is perfect, and the band that of a calibrated network."""
    size: dict[str, Any] = {"height": 300, "x_range": (0, 100), "y_range": (0, 100)}
    plot = _figure(x_axis_label="confidence, %", y_axis_label="accuracy, %", **size)
    plot.line([0, 100], [0, 100], color=_INK, line_dash="dashed")
    source = ColumnDataSource({key: [row[key] for row in bins] for key in bins[0]})
    plot.segment("confidence", "low", "confidence", "high", source=source, color=_INK, line_alpha=0.35, line_width=9)
    plot.line("confidence", "accuracy", source=source, color=_BLUE, line_width=2)
    plot.scatter("confidence", "accuracy", source=source, color=_BLUE, size=7)
    tooltips = [("confidence", "@confidence{0.0} %"), ("accuracy", "@accuracy{0.0} %"), ("clips", "@clips"),
                ("if calibrated", "@low{0.0} to @high{0.0} %")]  # fmt: skip
    plot.add_tools(HoverTool(tooltips=tooltips))
    return plot


def risk_coverage(curve: dict[str, Any]) -> Any:
    """Error rate among the most confident share of the clips."""
    size: dict[str, Any] = {"height": 300, "x_range": (0, 100)}
    plot = _figure(x_axis_label="most confident clips, %", y_axis_label="errors among them, %", **size)
    plot.line(curve["coverage"], curve["risk"], color=_BLUE, line_width=2)
    plot.scatter(curve["coverage"], curve["risk"], color=_BLUE, size=5)
    plot.add_tools(HoverTool(tooltips=[("most confident clips", "@x{0} %"), ("errors", "@y{0.0} %")]))
    return plot


def branch_times(weights: np.ndarray, names: tuple[str, ...]) -> Any:
    """Branch weights ``(3, T)`` over the frames the network saw."""
    plot = _figure(x_axis_label="sampled frame", y_axis_label="weight", height=220)
    for row, name, colour in zip(weights, names, (_BLUE, _ORANGE, "#10b981"), strict=True):
        plot.line(np.arange(len(row)), row, color=colour, line_width=2, legend_label=name)
    plot.legend.background_fill_alpha = 0
    plot.legend.border_line_alpha = 0
    plot.legend.label_text_color = _INK
    return plot


def _figure(title: str = "", **options: Any) -> Any:
    tools = "pan,box_zoom,wheel_zoom,reset"
    plot: Any = figure(title=title, sizing_mode="stretch_width", tools=tools, toolbar_location="above", **options)
    plot.background_fill_alpha = plot.border_fill_alpha = 0
    plot.outline_line_color = None
    plot.title.text_color = _INK
    plot.grid.grid_line_alpha = 0.25
    plot.toolbar.logo = None
    for axis in plot.axis:
        axis.axis_label_text_color = axis.major_label_text_color = _INK
        axis.axis_line_color = axis.major_tick_line_color = axis.minor_tick_line_color = _INK
    return plot
