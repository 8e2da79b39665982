"""Which clips to label next."""

import numpy as np
from numpy.typing import NDArray


def next_to_label(
    features: NDArray[np.floating], probabilities: NDArray[np.floating], count: int, seed: int = 0
) -> NDArray[np.int64]:
    """Indices of clips that the network is unsure of and that are unlike each other, the first being the most useful.

    They are drawn as k-means++ draws its centres: each with the squared distance of its features to the nearest one
    drawn before, times the probability of all classes but the likeliest.

    Args:
        features: ``(N, D)``, what the classifier sees of each clip.
        probabilities: ``(N, K)`` of its classes.
        count: how many, or all clips if they are fewer.
        seed: of the draws.
    """
    from sklearn.cluster import kmeans_plusplus  # slow to import

    unsure = 1 - probabilities.max(axis=1)
    if count >= len(unsure):
        return np.argsort(-unsure, kind="stable")
    _, drawn = kmeans_plusplus(features, count, sample_weight=np.maximum(unsure, 1e-9), random_state=seed)
    return np.array(list(dict.fromkeys(drawn.tolist())), np.int64)  # of equal clips, one may be drawn twice
