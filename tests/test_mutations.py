"""The mutation lists match the code; ``tests/mutations/run.py`` runs them."""

import sys

from conftest import ROOT

sys.path.insert(0, str(ROOT / "tests" / "mutations"))
from run import misfit, read_mutations


def test_every_mutation_matches_exactly_one_line() -> None:
    mutations = read_mutations()
    assert [reason for mutation in mutations if (reason := misfit(mutation))] == []
    assert all(mutation.old != mutation.new for mutation in mutations)
    assert len(set(mutations)) == len(mutations)
