"""Choices of an evaluation."""

from typing import Literal

Average = Literal["logits", "probabilities"]
"""What is averaged over streams; probabilities are the softmax of logits."""

Fusion = Literal["sum", "hierarchy", "route"]
"""How streams are fused: a weighted mean; actions with their groups; or groups, each with a network for its actions."""

GroupColumns = Literal["action", "marginal", "network"]
"""How the challenge file ranks body groups: as those of the ranked actions, by the sum of their actions' probabilities,
or by a network of groups."""
