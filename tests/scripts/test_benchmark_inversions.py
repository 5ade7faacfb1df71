"""The drawings that inversions are measured with, and the tables of the measurements."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from draggan_engine.critters.scene.render import render_scene
from scripts.benchmark_inversions import RANDOM, Row, measure, number_range, print_tables, read_rows
from scripts.held_out_renders import KINDS, RENDER_COUNT, draw_render, held_out_scene, kind_of


def test_each_kind_has_eight_drawings_which_are_the_same_every_time() -> None:
    assert [kind_of(number) for number in (0, 7, 8, 16, RENDER_COUNT - 1)] == [KINDS[i] for i in (0, 0, 1, 2, 2)]
    for number in (0, 8, 16):
        render = draw_render(number, 32)
        assert render.kind == kind_of(number)
        assert render.image.shape == (32, 32, 3) and render.image.dtype == np.uint8
        assert np.array_equal(render.image, draw_render(number, 32).image)


def test_a_photograph_takes_the_place_of_the_backdrop_only() -> None:
    image = draw_render(16, 64).image.astype(int)
    plain_image = draw_plain(16, 64).astype(int)
    is_same = np.abs(image - plain_image).max(axis=2) <= 1
    assert is_same[40:50, 26:34].mean() > 0.95  # the face
    assert is_same[:4].mean() < 0.2


def draw_plain(number: int, size: int) -> NDArray[np.uint8]:
    image = render_scene(held_out_scene(number), size)[0].transpose(1, 2, 0)
    return ((image + 1) * 127.5).round().clip(0, 255).astype(np.uint8)


def test_the_tables_compare_means_and_drags_with_those_of_twins(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    rows = [
        Row("critters-128", "twin", 150, 0, None, 0.0, 2.0),
        Row("critters-128", "w+", 150, 0, 30.0, 8.0, 3.0, "near", 0.5, 20.0),
        Row("critters-128", "w+", 150, 8, 33.0, 10.0, None, "near", 0.4, 21.0),
        Row("critters-128", "w+", 150, 8, 32.0, 11.0),
    ]
    print_tables(rows)
    printed = capsys.readouterr().out
    assert "| critters-128 | w+ | near | 150 | 2 | 20.5 | 30.0 | 33.0 | – | 31.5 | 9.0 |" in printed
    assert "| critters-128 | w+ | random | 150 | 1 | – | – | 32.0 | – | 32.0 | 11.0 |" in printed
    assert "| critters-128 | w+ | near | 150 | 1 | 3.00 | 2.00 | 1.50 |" in printed
    assert read_rows(tmp_path / "none.jsonl") == []
    assert (number_range("3"), number_range("3-5")) == (range(3, 4), range(3, 6))


def test_drawings_that_are_inverted_together_are_rows_of_their_own_and_measured_once(tmp_path: Path) -> None:
    rows_path = tmp_path / "rows.jsonl"
    arguments = argparse.Namespace(
        model="critters-128", methods=["w"], starts=[RANDOM], steps=2, numbers=range(7, 10), drags=0, together=2,
        rows=rows_path,
    )  # fmt: skip
    first_row, *_ = measure(arguments)
    rows_path.write_text(json.dumps(asdict(first_row)) + "\n")
    rows = list(measure(arguments))
    assert [first_row.number, *(row.number for row in rows)] == [7, 8, 9]
    assert all(row.psnr is not None and row.start_psnr is not None for row in rows)
    assert len({row.psnr for row in rows}) == 2
