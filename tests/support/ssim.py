"""Structural similarity of two pictures (Wang et al., "Image quality assessment", 2004).

The parameters are the usual ones: luma, a Gaussian window of 11 pixels with sigma 1.5, K1 = 0.01,
K2 = 0.03.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float64]
WINDOW: Final = 11
SIGMA: Final = 1.5
LUMA: Final = np.array([0.299, 0.587, 0.114])


def ssim(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Return the mean similarity of two height x width x 3 pictures of bytes; 1 means equal."""
    assert one.shape == other.shape, f"{one.shape} is not {other.shape}"
    x: Picture = one[..., :3].astype(np.float64) @ LUMA
    y: Picture = other[..., :3].astype(np.float64) @ LUMA
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_x, mean_y = _blur(x), _blur(y)
    variance_x = _blur(x * x) - mean_x**2
    variance_y = _blur(y * y) - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    above = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    below = (mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2)
    return float(np.mean(above / below))


def _blur(picture: Picture) -> Picture:
    """Return the Gaussian means of all windows that lie wholly inside the picture."""
    reach = WINDOW // 2
    weights = np.array([math.exp(-(i**2) / (2 * SIGMA**2)) for i in range(-reach, reach + 1)])
    weights /= weights.sum()
    height, width = picture.shape[0] - WINDOW + 1, picture.shape[1] - WINDOW + 1
    across: Picture = np.zeros((picture.shape[0], width))
    down: Picture = np.zeros((height, width))
    for i, weight in enumerate(weights):
        across += weight * picture[:, i : width + i]
    for i, weight in enumerate(weights):
        down += weight * across[i : height + i]
    return down
