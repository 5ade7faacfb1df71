"""Muon (Jordan 2024): momentum whose matrix is orthogonalized before each step, for kernels of any rank."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from draggan_engine.networks.bfloat16 import supports_bfloat16

# Coefficients of the quintic Newton–Schulz iteration, as published with Muon.
_A, _B, _C = 3.4445, -4.7750, 2.0315


def orthogonalize(matrix: Tensor, iterations: int = 5) -> Tensor:
    """Return the nearest semi-orthogonal matrix, approximately: most singular values become 0.7 to 1.2.

    Args:
        matrix: `[rows, columns]`.
    """
    x = matrix / (matrix.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    if tall:
        x = x.t()
    x = _iterate_wide(x, iterations) if x.shape[1] >= 2 * x.shape[0] else _iterate_square(x, iterations)
    result: Tensor = x.t() if tall else x
    return result


def _iterate_wide(x: Tensor, iterations: int) -> Tensor:
    """Run the iteration for wide matrices.

    Each step multiplies x from the left by a polynomial of x·xᵀ. The polynomials are multiplied first, because they have
    only the shorter side of x.
    """
    gram = x @ x.t()
    all_steps = torch.eye(len(gram), dtype=x.dtype, device=x.device)
    for _ in range(iterations):
        step = _A * torch.eye(len(gram), dtype=x.dtype, device=x.device) + _B * gram + _C * gram @ gram
        all_steps, gram = step @ all_steps, step @ gram @ step
    return all_steps @ x


def _iterate_square(x: Tensor, iterations: int) -> Tensor:
    """Run the iteration as published, in bfloat16 if the device supports it: later steps correct rounding errors."""
    y = x.bfloat16() if supports_bfloat16(x.device) else x
    for _ in range(iterations):
        gram = y @ y.t()
        y = _A * y + (_B * gram + _C * gram @ gram) @ y
    return y.to(x.dtype)


class Muon:
    """An optimizer whose steps are lr·√fan_in·scale along the orthogonalized momentum.

    Kernels are treated as matrices of out × in·k·k. `torch.optim.Muon` accepts matrices only.

    Args:
        parameters: pairs of a parameter and the scale of its initial entries (1/m for a learning-rate multiplier m).
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
            p.add_(orthogonalize(flat).view_as(p), alpha=-lr * scale * math.sqrt(flat.shape[1]))
