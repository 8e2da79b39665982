"""A comparison as Markdown, LaTeX, CSV and plain values."""

from dataclasses import asdict
from typing import Any

import pandas as pd

from mmn.reporting.compare import Comparison, Row, Table
from mmn.reporting.text_tables import latex_table, markdown_table

UNITS = {"loss": "nats, lower is better"}
"""Units of the metrics that are not percentages."""


def plain(comparison: Comparison) -> dict[str, Any]:
    """Plain values, for JSON."""
    tables = [
        {
            "data": table.data,
            "selected_on": table.selected_on,
            "rows": {
                row.name: {"n": len(row.runs), "runs": row.runs, "mean": row.mean, "sd": row.sd,
                           "interval_95": row.interval, "last": row.last}
                for row in table.rows
            },
            "pairs": [asdict(pair) for pair in table.pairs],
            "weights": {str(seed): weights for seed, weights in table.weights.items()},
            "weights_from": table.weights_from,
            "notes": table.notes,
        }
        for table in comparison.tables
    ]  # fmt: skip
    return {"metric": comparison.metric, "split": comparison.split, "tables": tables}


def frame(comparison: Comparison, table: Table) -> pd.DataFrame:
    """One table, one row per setting: n, each seed's metric, mean ± sd, interval, and the last epoch's mean."""
    seeds = sorted({seed for row in table.rows for seed, _ in row.runs})
    records = []
    for row in table.rows:
        record: dict[str, Any] = {"setting": row.name, "n": len(row.runs)}
        for seed in seeds:
            record[f"seed {seed}"] = ", ".join(_number(value) for own, value in row.runs if own == seed)
        record["mean ± sd"] = _number(row.mean) + ("" if row.sd is None else f" ± {_number(row.sd)}")
        record["95 % (t)"] = "" if row.interval is None else " to ".join(_number(end) for end in row.interval)
        record["last epoch"] = _number(sum(row.last) / len(row.last)) if row.last else ""
        records.append(record)
    return pd.DataFrame(records)


def markdown(comparison: Comparison) -> str:
    """The tables, each under what its runs have in common, with pairwise comparisons below."""
    unit = UNITS.get(comparison.metric, "%, higher is better")
    lines = [f"{comparison.metric} on {comparison.split}, {unit}"]
    for table in comparison.tables:
        lines += ["", _about(comparison, table), "", *markdown_table(frame(comparison, table))]
        if table.pairs:
            lines += ["", *markdown_table(_pairs(table))]
            lines += [
                "",
                "p: probability of a difference at least this large if there is none, clip by clip; Holm-corrected.",
            ]
        if table.weights:
            lines += ["", f"Weights: {table.weights_from}."]
            for seed, weights in table.weights.items():
                lines.append(f"- seed {seed}: " + ", ".join(f"{name} {w:.2f}" for name, w in weights.items()))
        lines += ["", *table.notes] if table.notes else []
    return "\n".join(lines) + "\n"


def latex(comparison: Comparison) -> str:
    """The tables for a paper, one ``tabular`` each, with what their runs have in common as a comment."""
    parts = []
    for table in comparison.tables:
        parts.append(f"% {_about(comparison, table)}\n{latex_table(frame(comparison, table))}")
    return "\n".join(parts)


def csv(comparison: Comparison) -> str:
    """One line per run: data, selection, setting, seed and metric."""
    records = [
        {"data": table.data, "selected_on": table.selected_on, "split": comparison.split, "setting": row.name,
         "n": len(row.runs), "seed": seed, comparison.metric: value, f"{comparison.metric}_last_epoch": last}
        for table in comparison.tables
        for row in table.rows
        for (seed, value), last in zip(row.runs, _last(row), strict=True)
    ]  # fmt: skip
    return pd.DataFrame(records).to_csv(index=False)


def _last(row: Row) -> list[float | None]:
    return [*row.last] or [None] * len(row.runs)


def _about(comparison: Comparison, table: Table) -> str:
    chosen = f"epochs selected by {table.selected_on}" if table.selected_on else "epoch selection unknown"
    if table.selected_on.startswith(f"{comparison.split}/"):
        chosen += ", the metric compared here, which is therefore optimistic"
    return f"{table.data or 'data file unknown'}; {chosen}"


def _pairs(table: Table) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "": f"{pair.first} − {pair.second}",
            "points": f"{pair.points:+.2f}",
            "95 % by seed": "" if pair.by_seed is None else " to ".join(f"{end:+.2f}" for end in pair.by_seed),
            "p": "" if pair.p is None else f"{pair.p:.3f}",
            "p, corrected": "" if pair.p_holm is None else f"{pair.p_holm:.3f}",
            "of": pair.tested,
        }
        for pair in table.pairs
    )


def _number(value: float) -> str:
    return f"{value:.2f}"
