"""A custom loss: any module that maps logits and labels to a scalar."""

from torch import Tensor, nn
from torch.nn import functional as F


class FocalLoss(nn.Module):
    """Focal loss: cross entropy that down-weights easy clips (Lin et al., ICCV 2017).

    Args:
        gamma: strength of the down-weighting; 0 gives the cross entropy.
    """

    def __init__(self, gamma: float = 2.0) -> None:
        super().__init__()
        self.gamma = gamma

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """``logits (B, K)``, ``labels (B,)`` → a scalar."""
        surprise = F.cross_entropy(logits, labels, reduction="none")
        return ((1 - (-surprise).exp()) ** self.gamma * surprise).mean()
