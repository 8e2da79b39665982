"""Which clips to label next."""

import numpy as np
from numpy.typing import NDArray


def next_to_label(
    features: NDArray[np.floating], probabilities: NDArray[np.floating], count: int, seed: int = 0
) -> NDArray[np.int64]:
    """Indices of clips that the network is uncertain about and that differ from each other, most useful first.

    They are sampled like the initial centres of k-means++: with a probability proportional to the squared distance of
    a clip's features to the nearest clip sampled before, times one minus the probability of its most likely class.

    Args:
        features: ``(N, D)`` input of the classifier.
        probabilities: ``(N, K)`` of the classes.
        count: number of clips; all if there are fewer.
        seed: random seed.
    """
    from sklearn.cluster import kmeans_plusplus  # slow to import

    unsure = 1 - probabilities.max(axis=1)
    if count >= len(unsure):
        return np.argsort(-unsure, kind="stable")
    _, drawn = kmeans_plusplus(features, count, sample_weight=np.maximum(unsure, 1e-9), random_state=seed)
    return np.array(list(dict.fromkeys(drawn.tolist())), np.int64)  # equal clips may be sampled twice
