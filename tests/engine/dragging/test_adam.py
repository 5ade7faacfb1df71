"""The descent is Adam's."""

from __future__ import annotations

import numpy as np
import torch

from draggan_engine.dragging.adam import Adam


def random_gradients(count: int) -> list[torch.Tensor]:
    return [torch.from_numpy(np.random.RandomState(seed).randn(3, 6, 16).astype(np.float32)) for seed in range(count)]


def test_the_descent_is_that_of_torch() -> None:
    variable, expected = torch.zeros(3, 6, 16), torch.zeros(3, 6, 16, requires_grad=True)
    adam, torch_adam = Adam(variable, step_size=0.02), torch.optim.Adam([expected], lr=0.02)
    for gradient in random_gradients(5):
        adam.descend(variable, gradient)
        expected.grad = gradient
        torch_adam.step()
        assert torch.allclose(variable, expected, atol=1e-6)


def test_the_selected_variables_continue_as_before() -> None:
    kept = torch.tensor([True, False, True])
    variable, all_variables = torch.zeros(3, 6, 16), torch.zeros(3, 6, 16)
    adam, adam_of_all = Adam(variable, step_size=0.02), Adam(all_variables, step_size=0.02)
    for step, gradient in enumerate(random_gradients(5)):
        if step == 2:
            variable = variable[kept]
            adam.select(kept)
        adam.descend(variable, gradient if step < 2 else gradient[kept])
        adam_of_all.descend(all_variables, gradient)
    assert torch.equal(variable, all_variables[kept])
