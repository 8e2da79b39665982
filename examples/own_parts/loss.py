"""A loss of one's own: any module that makes a scalar of logits and labels."""

from torch import Tensor, nn
from torch.nn import functional as F


class FocalLoss(nn.Module):
    """Cross entropy in which clips that are already right count less (Lin et al., ICCV 2017).

    Args:
        gamma: how much less; 0 is the cross entropy.
    """

    def __init__(self, gamma: float = 2.0) -> None:
        super().__init__()
        self.gamma = gamma

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """``logits (B, K)``, ``labels (B,)`` → a scalar."""
        surprise = F.cross_entropy(logits, labels, reduction="none")
        return ((1 - (-surprise).exp()) ** self.gamma * surprise).mean()
