"""Muon (Jordan 2024): momentum whose matrix is orthogonalized before each step, for kernels of any rank."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from draggan_engine.networks.bfloat16 import supports_bfloat16

# Coefficients of the quintic Newton–Schulz iteration, as published with Muon.
_A, _B, _C = 3.4445, -4.7750, 2.0315


def orthogonalize(matrix: Tensor, iteration_count: int = 5) -> Tensor:
    """Return the nearest semi-orthogonal matrix, approximately: most singular values become 0.7 to 1.2.

    Args:
        matrix: `[rows, columns]`.
    """
    x = matrix / (matrix.norm() + 1e-7)
    is_tall = x.shape[0] > x.shape[1]
    if is_tall:
        x = x.t()
    x = _iterate_wide(x, iteration_count) if x.shape[1] >= 2 * x.shape[0] else _iterate_square(x, iteration_count)
    orthogonal_matrix: Tensor = x.t() if is_tall else x
    return orthogonal_matrix


def _iterate_wide(x: Tensor, iteration_count: int) -> Tensor:
    """Run the iteration for wide matrices.

    Each step multiplies x from the left by a polynomial of x·xᵀ. The polynomials are multiplied first, because they have
    only the shorter side of x.
    """
    gram_matrix = x @ x.t()
    all_steps = torch.eye(len(gram_matrix), dtype=x.dtype, device=x.device)
    for _ in range(iteration_count):
        step_polynomial = (
            _A * torch.eye(len(gram_matrix), dtype=x.dtype, device=x.device)
            + _B * gram_matrix
            + _C * gram_matrix @ gram_matrix
        )
        all_steps, gram_matrix = step_polynomial @ all_steps, step_polynomial @ gram_matrix @ step_polynomial
    return all_steps @ x


def _iterate_square(x: Tensor, iteration_count: int) -> Tensor:
    """Run the iteration as published, in bfloat16 if the device supports it: later steps correct rounding errors."""
    y = x.bfloat16() if supports_bfloat16(x.device) else x
    for _ in range(iteration_count):
        gram_matrix = y @ y.t()
        y = _A * y + (_B * gram_matrix + _C * gram_matrix @ gram_matrix) @ y
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
        for (p, entry_scale), momentum_buffer in zip(self.parameters, self.buffers, strict=True):
            if p.grad is None:
                continue
            momentum_buffer.lerp_(p.grad, 1 - self.momentum)
            nesterov_update = p.grad.lerp(momentum_buffer, self.momentum)  # Nesterov
            flat_update = nesterov_update.flatten(1)
            p.add_(orthogonalize(flat_update).view_as(p), alpha=-lr * entry_scale * math.sqrt(flat_update.shape[1]))
