"""Tables as Markdown and LaTeX."""

import pandas as pd


def markdown_table(content: pd.DataFrame) -> list[str]:
    """The lines of a Markdown table."""
    cells = [list(content.columns), ["---"] * len(content.columns), *content.astype(str).to_numpy().tolist()]
    return ["| " + " | ".join(map(str, row)) + " |" for row in cells]


def latex_table(content: pd.DataFrame) -> str:
    """A ``tabular``."""
    text = content.astype(str).to_latex(index=False, escape=True)
    return text.replace("±", r"$\pm$").replace("−", "$-$")
