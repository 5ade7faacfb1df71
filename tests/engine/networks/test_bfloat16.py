"""Which processors have bfloat16."""

from __future__ import annotations

import pytest

from draggan_engine.networks.bfloat16 import has_native_bfloat16
from tests.support.processors import only_x86, run_without_bfloat16


@only_x86
def test_a_processor_limited_to_avx2_has_no_bfloat16() -> None:
    code = (
        "import torch; from draggan_engine.networks.bfloat16 import supports_bfloat16; "
        "print(supports_bfloat16(torch.device('cpu')))"
    )
    assert run_without_bfloat16("-c", code).stdout == "False\n"


@pytest.mark.parametrize("has_instructions", [True, False])
def test_emulated_bfloat16_does_not_count(has_instructions: bool) -> None:
    """oneDNN emulates it on x86 processors with plain AVX-512."""
    assert has_native_bfloat16("x86_64", onednn_supports=True, has_avx512_bf16=has_instructions) == has_instructions


def test_on_other_machines_the_answer_is_that_of_onednn() -> None:
    assert has_native_bfloat16("arm64", onednn_supports=True, has_avx512_bf16=False)
    assert not has_native_bfloat16("arm64", onednn_supports=False, has_avx512_bf16=False)
