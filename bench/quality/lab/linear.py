"""
The linear sibling: a VAE with a linear decoder and Gaussian noise has probabilistic PCA for its optimum (Tipping & Bishop 1999;
Lucas et al. 2019), which one eigendecomposition solves. With every component kept, its −2 log p(x) is T².
"""
import numpy as np

NOISE = 0.01


def shrinkage(x):
    """Weight of the scaled identity that minimises the expected error of the covariance of rows (Ledoit & Wolf 2004)."""
    n, p = x.shape
    s = x.T @ x / n
    mean = np.trace(s) / p
    distance = ((s - mean * np.eye(p)) ** 2).sum() / p
    squares = x**2
    spread = min((squares.T @ squares / n - s**2).sum() / (p * n), distance)
    return spread / distance if distance > 0 else 0.0, s, mean


def linear_sibling(x, fit, noise=NOISE):
    """Errors and T² of every row. x: scaled rows, NaN where missing; fit: which rows are learned from; noise: share, or `lw`."""
    x = np.nan_to_num(x)
    error = x - x[fit].mean(0)
    identity = np.eye(x.shape[1])
    if noise == "lw":
        rho, s, scale = shrinkage(error[fit])
        sigma = (1 - rho) * s + (rho * scale + 1e-6) * identity
    else:
        sigma = (1 - noise) * np.atleast_2d(np.cov(error[fit].T, bias=True)) + noise * identity
    return error, np.einsum("ij,jk,ik->i", error, np.linalg.inv(sigma), error)
