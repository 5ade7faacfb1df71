"""Muon (Jordan 2024): momentum whose matrix is orthogonalised before the step, for kernels of any rank."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

# Coefficients of the quintic Newton–Schulz iteration, as published with Muon.
_A, _B, _C = 3.4445, -4.7750, 2.0315


def orthogonalise(matrix: Tensor, iterations: int = 5) -> Tensor:
    """The nearest semi-orthogonal matrix, roughly (singular values within about 0.7 … 1.2).

    Args:
        matrix: `[rows, columns]`.
    """
    x = matrix / (matrix.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    if tall:
        x = x.t()
    for _ in range(iterations):
        gram = x @ x.t()
        x = _A * x + (_B * gram + _C * gram @ gram) @ x
    result: Tensor = x.t() if tall else x
    return result


class Muon:
    """Steps of lr·√fan_in·scale along the orthogonalised momentum; kernels count as out × in·k·k.

    `torch.optim.Muon` refuses parameters that are not matrices, which most of a StyleGAN's are not.

    Args:
        parameters: pairs of parameter and the scale of its entries at the start (1/m for a learning-rate
            multiplier m).
    """

    def __init__(self, parameters: Iterable[tuple[Tensor, float]], momentum: float = 0.95) -> None:
        self.parameters = list(parameters)
        self.momentum = momentum
        self.buffers = [torch.zeros_like(p) for p, _ in self.parameters]

    @torch.no_grad()
    def step(self, lr: float) -> None:
        for (p, scale), buffer in zip(self.parameters, self.buffers, strict=True):
            if p.grad is None:
                continue
            buffer.lerp_(p.grad, 1 - self.momentum)
            update = p.grad.lerp(buffer, self.momentum)  # Nesterov
            flat = update.flatten(1)
            p.add_(orthogonalise(flat).view_as(p), alpha=-lr * scale * math.sqrt(flat.shape[1]))
