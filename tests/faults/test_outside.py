"""Text files that would exhaust the stack, memory, or time of a parser."""

import os
import time
from pathlib import Path

import pytest

from mmn.data.format.layout import load_layout
from mmn.errors import UserError
from mmn.outside import parse_yaml, read_yaml

YAML = {
    "[" * 100_000: "nested more than 100 deep",
    "- " * 60_000: "nested more than 100 deep",
    "? " * 60_000: "nested more than 100 deep",
    "[" + "a," * 1_000_001 + "a]": "more than 1,000,000 values",
    "a: 1" + ":59" * 20_000: "a value of 60,001 characters without quotes",
    "a: !!int '1" + ":59" * 20_000 + "'": "a value of 60,001 characters",
}


@pytest.mark.parametrize(("text", "message"), YAML.items(), ids=[text[:6] for text in YAML])
def test_yaml_that_exhausts_its_parser_is_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    start = time.process_time()
    for read in (read_yaml, load_layout):
        with pytest.raises(UserError, match=rf"x\.yaml .*{message}"):
            read(path)
    assert time.process_time() - start < 5


def test_large_honest_yaml_is_read() -> None:
    names = [f"class {number}" for number in range(20_000)]
    assert parse_yaml(f"classes: {names}\nnote: '{'long ' * 2_000}'")["classes"] == names


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), Path.mkdir])
def test_a_layout_must_be_a_regular_file(make, tmp_path: Path) -> None:
    make(tmp_path / "x.yaml")
    with pytest.raises(UserError, match=r"x\.yaml is not a file"):
        load_layout(tmp_path / "x.yaml")
