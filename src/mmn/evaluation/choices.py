"""What an evaluation may choose between."""

from typing import Literal

Average = Literal["logits", "probabilities"]
"""What a mean of streams is of; probabilities are the softmax of logits."""

Fusion = Literal["sum", "hierarchy", "route"]
"""How streams become one: a weighted mean; actions and their groups; groups, each with a network of its actions."""

GroupColumns = Literal["action", "marginal", "network"]
"""How the challenge file ranks body groups: as those of the ranked actions, by the sum of their actions' probabilities,
or by a network of groups."""
