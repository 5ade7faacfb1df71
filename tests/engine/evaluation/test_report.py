"""Reports of synthetic runs: exact tables, intervals, the Fréchet distance of known Gaussians, contact sheets and plots."""

from __future__ import annotations

import io
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from draggan_engine.core.edit import DragSettings
from draggan_engine.core.errors import InputError
from draggan_engine.evaluation import statistics
from draggan_engine.evaluation.contact_sheets import (
    CAPTION_HEIGHT,
    CASE_GAP,
    CELL_SIZE,
    TITLE_HEIGHT,
    SheetCase,
    best_median_worst,
    contact_sheet,
    mask_sheets,
    median_rows,
    worst_rows,
)
from draggan_engine.evaluation.markdown import markdown_table
from draggan_engine.evaluation.plots import MATPLOTLIB_MISSING, Panel, mean_band, plot_bars, plot_curves, plot_settings
from draggan_engine.evaluation.report import own_setting_value, sorted_values, write_report
from draggan_engine.evaluation.run_directory import ChunkImages, Request, Row, RunDirectory, read_rows
from draggan_engine.evaluation.statistics import (
    MeanInterval,
    frechet_distance,
    mean_with_interval,
    paired_difference,
    paired_ratio,
    ratio_with_interval,
    row_mean,
    values_at_steps,
)
from draggan_engine.evaluation.variant_names import OWN_SETTINGS, value_name, variant_named
from draggan_engine.evaluation.variants import EXPERIMENTS, Experiment, Method, Variant
from draggan_engine.storage.markers import HANDLE_COLOR, LINE_COLOR, TARGET_COLOR

SETTINGS = DragSettings(r1=1.5, r2=6, step_size=0.05, feature_block="b32")
METHODS = (Method.NO_EDIT, Method.DRAG, Method.NO_TRACKING)
Curve = tuple[tuple[int, float], ...]


class SyntheticRun:
    """The directory of a run, to which rows are added variant by variant."""

    def __init__(self, parent_directory: Path) -> None:
        self.path = parent_directory / "run"
        request = Request(
            experiments=EXPERIMENTS, methods=METHODS, n=4, model="critters-128", sha256="0123456789abcdef" * 4,
            settings=SETTINGS,
        )  # fmt: skip
        self.run = RunDirectory(self.path, request)

    def add(
        self,
        experiment: Experiment,
        group: str,
        method: str,
        figures: Sequence[dict[str, float]],
        curves: Sequence[Curve] | None = None,
        features: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None,
    ) -> None:
        """Add a case for each of `figures`. Its images are grey, of level 10 × case before and 10 × case + 5 after."""
        count = len(figures)
        common = {
            "chunk": f"{experiment}/{group}/{method}/0", "size": count, "experiment": experiment, "method": method,
            "variant": variant_named(experiment, group),
        }  # fmt: skip
        rows = [
            Row.model_validate(
                {**common, "index": i, "case": i, "values": values, "curve": curves[i] if curves else ()}
            )
            for i, values in enumerate(figures)
        ]
        grey = np.arange(count, dtype=np.uint8)[:, None, None, None] * np.full((1, 128, 128, 3), 10, np.uint8)
        points = np.full((count, 1, 2), 20, np.float32)
        goal = grey if experiment == "paired" else None
        before, after = features or (None, None)
        self.run.add_chunk(rows, ChunkImages(grey, grey + np.uint8(5), points, points + 60, goal, before, after))

    def report(self) -> str:
        out = self.path.parent / "report.md"
        write_report(self.path, out, "draggan-tui eval all --n 4", "2025-03-01")
        return out.read_text(encoding="utf-8")


@pytest.fixture
def made(tmp_path: Path) -> SyntheticRun:
    return SyntheticRun(tmp_path)


def rows_of(figures: Sequence[dict[str, float]]) -> list[Row]:
    """Return rows of drags of one point."""
    return [
        Row(
            chunk="a", size=len(figures), index=i, experiment="landmarks", variant=Variant(1), method=Method.DRAG, case=i,
            values=values,
        )
        for i, values in enumerate(figures)
    ]  # fmt: skip


def gaussian(mean: Sequence[float], root: NDArray[np.float64], count: int, seed: int) -> NDArray[np.float64]:
    """Return a sample `[count, D]` with exactly this mean and the covariance root @ root.T."""
    x = np.random.default_rng(seed).normal(size=(count, len(mean)))
    x -= x.mean(axis=0)
    x = x @ np.linalg.inv(np.linalg.cholesky(x.T @ x / (count - 1))).T
    return x @ root.T + np.array(mean)


# Means


def test_the_interval_contains_the_mean_and_is_the_same_each_time() -> None:
    values = np.random.default_rng(1).gamma(2, 3, 40).tolist()
    mean = mean_with_interval(values)
    assert mean.mean == pytest.approx(np.mean(values)) and mean.n == 40
    assert mean.low < mean.mean < mean.high
    error = np.std(values, ddof=1) / math.sqrt(40)
    assert mean.high - mean.low == pytest.approx(2 * 1.96 * error, rel=0.1)
    statistics._draws.cache_clear()
    assert mean_with_interval(values) == mean


def test_95_percent_of_the_intervals_cover_the_true_mean() -> None:
    rng = np.random.default_rng(2)
    intervals = [mean_with_interval(rng.normal(5, 2, 60).tolist()) for _ in range(300)]
    covered = np.mean([mean.low <= 5 <= mean.high for mean in intervals])
    assert 0.90 <= covered <= 0.98


def test_means_of_few_cases_have_no_interval() -> None:
    assert mean_with_interval([]).n == 0 and mean_with_interval([]).text() == "–"
    assert mean_with_interval([2.5]).text() == "2.50"
    assert mean_with_interval([2.5, 2.5]).text(1) == "2.5 [2.5, 2.5]"
    assert ratio_with_interval([], []).percents() == "–" and ratio_with_interval([1], [4]).percents() == "25"


def test_a_ratio_resamples_both_values_of_a_case_together() -> None:
    to = np.random.default_rng(3).gamma(2, 3, 30)
    ratio = ratio_with_interval((to * 0.25).tolist(), to.tolist())
    assert (ratio.mean, ratio.low, ratio.high) == pytest.approx((0.25, 0.25, 0.25))
    apart = ratio_with_interval((to[::-1] * 0.25).tolist(), to.tolist())
    assert apart.mean == pytest.approx(0.25) and apart.high - apart.low > 0.05
    assert ratio_with_interval([1.0, 2.0], [0.0, 0.0]).percent() == "–"
    with pytest.raises(ValueError, match="paired"):
        ratio_with_interval([1.0], [1.0, 2.0])


def test_methods_are_compared_on_cases_that_both_have() -> None:
    ours, theirs = rows_of([{"md": 1}, {"md": 3}, {"md": 50}]), rows_of([{"md": 4}, {"md": 4}, {}])
    ratio = paired_ratio(ours, theirs, "md")
    assert (ratio.mean, ratio.n) == (0.5, 2)
    assert row_mean(theirs, "md").n == 2


def test_a_difference_is_that_of_the_same_case() -> None:
    ours, theirs = rows_of([{"md": 1}, {"md": 3}, {"md": 50}]), rows_of([{"md": 2}, {"md": 5}, {}])
    difference = paired_difference(ours, theirs, "md")
    assert (difference.mean, difference.n) == (-1.5, 2)
    assert -2 <= difference.low <= difference.high <= -1


def test_a_curve_keeps_its_last_value_at_later_steps() -> None:
    curve = [(1, 4.0), (5, 2.0), (20, 1.0)]
    assert values_at_steps(curve, (0, 1, 4, 5, 19, 20, 300)).tolist() == [4, 4, 4, 2, 2, 1, 1]


# The Fréchet distance


def test_frechet_distance_of_gaussians_with_commuting_covariances() -> None:
    a = gaussian([0, 0, 0], np.diag([1.0, 2.0, 3.0]), 40, 0)
    b = gaussian([1, 0, -2], np.diag([2.0, 2.0, 0.5]), 70, 1)
    assert frechet_distance(a, b) == pytest.approx(1 + 4 + 1 + 0 + 2.5**2)
    assert frechet_distance(b, a) == pytest.approx(frechet_distance(a, b))


@pytest.mark.parametrize("length", [2, 50], ids=["N > F", "N < F"])
def test_frechet_distance_of_gaussians_whose_covariances_do_not_commute(length: int) -> None:
    root_a, root_b = np.array([[2.0, 0.0], [1.0, 0.5]]), np.array([[0.3, 0.0], [-1.0, 1.5]])
    a, b = gaussian([0, 0], root_a, 6, 0), gaussian([3, 4], root_b, 9, 1)
    plane = np.linalg.qr(np.random.default_rng(2).normal(size=(length, 2)))[0]  # [F, 2], keeps distances
    cov_a, cov_b = root_a @ root_a.T, root_b @ root_b.T
    # Of 2 × 2 matrices: (tr M^½)² = tr M + 2 (det M)^½.
    common = math.sqrt(np.trace(cov_a @ cov_b) + 2 * math.sqrt(np.linalg.det(cov_a) * np.linalg.det(cov_b)))
    expected = 25 + np.trace(cov_a) + np.trace(cov_b) - 2 * common
    assert frechet_distance(a @ plane.T, b @ plane.T) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("count", [2, 10, 300])
def test_frechet_distance_of_a_set_to_itself_is_zero(count: int) -> None:
    a = np.random.default_rng(0).normal(3, 2, (count, 64)).astype(np.float32)
    assert 0 <= frechet_distance(a, a) < 1e-9
    assert 0 <= frechet_distance(a, a[::-1]) < 1e-9
    assert frechet_distance(a, a + 1) == pytest.approx(64, rel=1e-4)


def test_frechet_distance_refuses_too_few_or_unlike_features() -> None:
    with pytest.raises(ValueError, match="two sets"):
        frechet_distance(np.zeros((1, 4)), np.zeros((5, 4)))
    with pytest.raises(ValueError, match="same length"):
        frechet_distance(np.zeros((5, 3)), np.zeros((5, 4)))


# Tables


def test_tables_are_aligned_and_leave_out_empty_columns() -> None:
    assert markdown_table(["method", "MD", "LPIPS", "n"], [["a|b", "2.00", "–", "3"], ["drag", "–", "– / –", "12"]]) == (
        "| method |   MD |   n |\n"
        "| ------ | ---: | --: |\n"
        "| a\\|b   | 2.00 |   3 |\n"
        "| drag   |    – |  12 |"
    )  # fmt: skip


def test_numbers_and_blocks_are_sorted_and_words_are_not() -> None:
    assert sorted_values([8, 2.5, 12]) == [2.5, 8, 12]
    assert sorted_values(["b128", "b32", "b64"]) == ["b32", "b64", "b128"]
    assert sorted_values(["w+", "w"]) == ["w+", "w"]


def test_own_value_of_each_setting() -> None:
    own = SETTINGS.model_copy(update={"mask_weight": 5 / 3})
    for setting, value in (
        ("r1", "1.5"), ("mask_weight", "1.66667"), ("step_size", "0.05"), ("layers", "6"), ("space", "w+"),
        ("tracking_norm", "l1"), ("feature_block", "b32"), ("tracking_block", "b32"),
    ):  # fmt: skip
        assert value_name(own_setting_value(own, setting)) == value


def test_section_on_landmarks(made: SyntheticRun) -> None:
    before = np.random.default_rng(0).normal(size=(4, 8)).astype(np.float32)
    costs = [
        {"steps": 10, "seconds": 1},
        {"steps": 20, "seconds": 1},
        {"steps": 30, "seconds": 1},
        {"steps": 100, "seconds": 5},
    ]
    for group, factor in (("5 points", 2), ("1 point", 1)):
        made.add("landmarks", group, "no edit", [{"md": 10.0 * factor}] * 4, features=(before, before))
        drag = [
            {"md": md, "md_start": 10 * factor, "detector_error": 0.75, "reached": float(i > 0), **cost}
            for i, (md, cost) in enumerate(zip((1, 1.5, 1.5, 4), costs, strict=True))
        ]
        made.add("landmarks", group, "drag", drag, features=(before, before + 1))
        untracked = [{"md": md, "md_start": 10 * factor, "reached": 0} for md in (7, 7.5, 7.5)]
        made.add("landmarks", group, "no tracking", [*untracked, {}])
    text = made.report()
    assert (
        "| method                   |                    MD, 1 point |                   MD, 5 points | reached, % |     n | Fréchet distance |     seconds |   steps |\n"
        "| ------------------------ | -----------------------------: | -----------------------------: | ---------: | ----: | ---------------: | ----------: | ------: |\n"
        "| no edit                  |   10.00 [10.00, 10.00] (10.00) |   20.00 [20.00, 20.00] (20.00) |      – / – | 4 / 4 |          0 (n 8) |           – |       – |\n"
        "| drag                     | 2.00 [1.12, 3.38] (1.50), 20 % | 2.00 [1.12, 3.38] (1.50), 10 % |    75 / 75 | 4 / 4 |       8.00 (n 8) | 2.00 (1.00) | 40 (25) |\n"
        "| no tracking              | 7.33 [7.00, 7.50] (7.50), 73 % | 7.33 [7.00, 7.50] (7.50), 37 % |      0 / 0 | 3 / 3 |                – |           – |       – |\n"
        "| the detector's own error |       0.75 [0.75, 0.75] (0.75) |       0.75 [0.75, 0.75] (0.75) |          – | 4 / 4 |                – |           – |       – |\n"
    ) in text
    assert (
        "| method      |     1 point |    5 points |     n |\n"
        "| ----------- | ----------: | ----------: | ----: |\n"
        "| no tracking | 18 [14, 20] | 18 [14, 20] | 3 / 3 |\n"
    ) in text
    # Each case differs by 6 px, so the interval of the paired difference has no width, while that of the means has.
    assert (
        "| method      |              1 point |             5 points |     n |\n"
        "| ----------- | -------------------: | -------------------: | ----: |\n"
        "| no tracking | -6.00 [-6.00, -6.00] | -6.00 [-6.00, -6.00] | 3 / 3 |\n"
    ) in text
    halves = frechet_distance(before[::2], before[1::2])
    assert f"(n 2 and 2) are {halves:#.3g} apart." in text
    for name in ("landmarks-1-point", "landmarks-5-points", "landmarks-worst"):
        assert f"](report-images/{name}.png)" in text
        assert (made.path.parent / "report-images" / f"{name}.png").is_file()


def test_tables_of_latent_lengths_and_of_the_dragging_accuracy(made: SyntheticRun) -> None:
    for group, factor in (("1 point", 1), ("5 points", 2)):
        made.add(
            "landmarks", group, "no edit", [{"md": 9, "dai_1": 0.5, "dai_5": 0.4, "dai_10": 0.3, "dai_20": 0.2}] * 3
        )
        accuracy = {f"dai_{radius}": 0.01 * factor for radius in (1, 5, 10, 20)}
        made.add("landmarks", group, "drag", [{"md": 2, "sigma": sigma * factor, **accuracy} for sigma in (1, 1, 4)])
    text = made.report()
    assert (
        "| method |                  1 point |                 5 points |\n"
        "| ------ | -----------------------: | -----------------------: |\n"
        "| drag   | 2.00 [1.00, 4.00] (1.00) | 4.00 [2.00, 8.00] (2.00) |\n"
    ) in text
    assert (
        "| method  |           γ 1 |           γ 5 |          γ 10 |          γ 20 |\n"
        "| ------- | ------------: | ------------: | ------------: | ------------: |\n"
        "| no edit | 50.00 / 50.00 | 40.00 / 40.00 | 30.00 / 30.00 | 20.00 / 20.00 |\n"
        "| drag    |   1.00 / 2.00 |   1.00 / 2.00 |   1.00 / 2.00 |   1.00 / 2.00 |\n"
    ) in text


def test_header_of_a_run_without_rows(made: SyntheticRun) -> None:
    text = made.report()
    assert text.startswith(
        "# Evaluation of critters-128\n\n"
        "`draggan-tui eval all --n 4`, 2025-03-01\n"
        "Model: critters-128, SHA-256 0123456789ab. Cases requested: 4 of each kind.\n"
        "Settings: space w+, step size 0.05, λ 20, r1 1.5, r2 6, layers 6, feature block b32, step limit 300, tracking norm l1, "
        "stay 0.4, precision float32.\n"
    )
    assert text.endswith("No case has finished yet.\n")
    assert "##" not in text[2:]
    assert not (made.path.parent / "report-images").exists()


def test_section_on_paired_reconstruction(made: SyntheticRun) -> None:
    figures = {"mse": 0.0125, "ssim": 0.9, "features": 0.5, "seconds": 2, "steps": 100}
    made.add("paired", "32 points", "drag", [figures] * 3)
    made.add("paired", "32 points", "no edit", [{"mse": 0.05, "ssim": 0.25, "features": 1.5}] * 2)
    text = made.report()
    assert (
        "| method  |          MSE ×10² |                 SSIM |             features |   n |     seconds |     steps |\n"
        "| ------- | ----------------: | -------------------: | -------------------: | --: | ----------: | --------: |\n"
        "| no edit | 5.00 [5.00, 5.00] | 0.250 [0.250, 0.250] | 1.500 [1.500, 1.500] |   2 |           – |         – |\n"
        "| drag    | 1.25 [1.25, 1.25] | 0.900 [0.900, 0.900] | 0.500 [0.500, 0.500] |   3 | 2.00 (2.00) | 100 (100) |\n"
    ) in text
    assert "Landmarks" not in text and "## Tracking" not in text
    made.add("paired", "32 points", "no tracking", [{"mse": 0.02, "lpips": 0.05}])
    assert "| LPIPS ×10 |" in made.report()
    with Image.open(made.path.parent / "report-images" / "paired-32-points.png") as sheet:
        assert sheet.width == 1 * (3 * CELL_SIZE + CASE_GAP) + CASE_GAP  # one case across: before, after, goal


def test_section_on_ablations(made: SyntheticRun) -> None:
    figures = {"md": 3, "md_start": 12, "seconds": 1, "steps": 50, "reached": 1}
    masked = {**figures, "change_outside": 2, "change_inside": 20}
    features = np.arange(6, dtype=np.float32).reshape(2, 3), np.arange(6, dtype=np.float32).reshape(2, 3) + 2
    for group in ("r1: 3", OWN_SETTINGS):
        made.add("ablation", group, "drag", [figures] * 2, features=features)
    made.add("ablation", "λ: 20", "drag", [masked] * 2)
    made.add("ablation", "tracking block: b64", "drag", [{**figures, "md": 6}] * 2)
    made.add("ablation", "precision: bfloat16", "drag", [{**figures, "md": 6}] * 2)
    text = made.report()
    assert (
        "### r1\n\n"
        "| r1                |                MD | % of no edit | reached, % |   n | Fréchet distance |     seconds |   steps |\n"
        "| ----------------- | ----------------: | -----------: | ---------: | --: | ---------------: | ----------: | ------: |\n"
        "| **1.5 (default)** | 3.00 [3.00, 3.00] |  25 [25, 25] |        100 |   2 |       12.0 (n 2) | 1.00 (1.00) | 50 (50) |\n"
        "| 3                 | 3.00 [3.00, 3.00] |  25 [25, 25] |        100 |   2 |       12.0 (n 2) | 1.00 (1.00) | 50 (50) |\n"
    ) in text
    assert "| **20 (default)** | 3.00 [3.00, 3.00] |  25 [25, 25] | 2.00 [2.00, 2.00] | 20.00 [20.00, 20.00] |" in text
    assert "| **float32 (default)** | 3.00 [3.00, 3.00] |  25 [25, 25] |" in text
    tracked = text.split("### tracking block\n\n")[1].splitlines()
    assert tracked[2].startswith("| **b32 (default)** | 3.00 [3.00, 3.00] |  25 [25, 25] |")
    assert tracked[3].startswith("| b64               | 6.00 [6.00, 6.00] |  50 [50, 50] |")


def test_ablations_of_two_methods_have_tables_of_their_own(made: SyntheticRun) -> None:
    for method, own_md in (("drag", 3), ("least-squares", 2)):
        made.add("ablation", OWN_SETTINGS, method, [{"md": own_md, "md_start": 12}] * 2)
        made.add("ablation", "layers: 8", method, [{"md": 2 * own_md, "md_start": 12}] * 2)
    made.add("ablation", "stay: 0.8", "least-squares", [{"md": 5, "md_start": 12}] * 2)
    text = made.report()
    for title, own_line, changed_line in (
        ("layers, drag", "| **6 (default)** | 3.00", "| 8               | 6.00"),
        ("layers, least-squares", "| **6 (default)** | 2.00", "| 8               | 4.00"),
        ("stay, least-squares", "| **0.4 (default)** | 2.00", "| 0.8               | 5.00"),
    ):
        table_lines = text.split(f"### {title}\n\n")[1].splitlines()
        assert table_lines[2].startswith(own_line) and table_lines[3].startswith(changed_line)
    assert "### stay, drag" not in text


def test_ablations_without_distances_have_no_plot(made: SyntheticRun) -> None:
    made.add("ablation", "r1: 3", "drag", [{"steps": 5}] * 2)
    text = made.report()
    assert "| r1  |   n | steps |" in text
    assert "](report-images/" not in text


def test_section_on_masks(made: SyntheticRun) -> None:
    figures = {"change_inside": 20, "md": 3, "md_start": 12}
    made.add("mask", "without", "drag", [{**figures, "change_outside": 8}] * 4)
    made.add("mask", "with mask", "drag", [{**figures, "change_outside": 2}] * 4)
    made.add("mask", "with mask, exact term", "drag", [{**figures, "change_outside": 4}] * 4)
    text = made.report()
    assert (
        "| drag                  |        change inside |    change outside |            MD, px | % of no edit |   n |\n"
        "| --------------------- | -------------------: | ----------------: | ----------------: | -----------: | --: |\n"
        "| with mask             | 20.00 [20.00, 20.00] | 2.00 [2.00, 2.00] | 3.00 [3.00, 3.00] |  25 [25, 25] |   4 |\n"
        "| with mask, exact term | 20.00 [20.00, 20.00] | 4.00 [4.00, 4.00] | 3.00 [3.00, 3.00] |  25 [25, 25] |   4 |\n"
        "| without               | 20.00 [20.00, 20.00] | 8.00 [8.00, 8.00] | 3.00 [3.00, 3.00] |  25 [25, 25] |   4 |\n"
    ) in text
    assert (
        "Change outside the mask, relative to the drags without one: 25 [25, 25] % with mask (n 4); "
        "50 [50, 50] % with mask, exact term (n 4)."
    ) in text


def test_section_on_tracking(made: SyntheticRun) -> None:
    curves: list[Curve] = [((0, 1.0), (10, 3.0), (20, 5.0)), ((0, 1.0), (100, 9.0))]
    made.add("tracking", "1 point", "drag", [{"error_mean": 3, "error_end": 5}] * 2, curves)
    text = made.report()
    assert (
        "| method |              mean |        at the end | step 10 | step 30 | step 100 | step 300 |   n |\n"
        "| ------ | ----------------: | ----------------: | ------: | ------: | -------: | -------: | --: |\n"
        "| drag   | 3.00 [3.00, 3.00] | 5.00 [5.00, 5.00] |    2.00 |    3.00 |     7.00 |     7.00 |   2 |\n"
    ) in text


def test_a_directory_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"run\.json"):
        write_report(tmp_path, tmp_path / "report.md", "", "")


# Sheets


def test_best_median_and_worst_cases() -> None:
    rows = rows_of([{"md": float(md)} for md in (7, 3, 9, 1, 5, 2, 8, 4, 6)])
    bands = {name: [row.values["md"] for row in band] for name, band in best_median_worst(rows, "md", 2)}
    assert bands == {"best": [1, 2], "median": [4, 5], "worst": [8, 9]}
    assert [row.values["md"] for row in worst_rows(rows, "md", 3)] == [9, 8, 7]
    assert [row.values["md"] for row in median_rows(rows, "md", 3)] == [4, 5, 6]
    odd = {name: [row.values["md"] for row in band] for name, band in best_median_worst(rows, "md", 1)}
    assert odd == {"best": [1], "median": [5], "worst": [9]}


@pytest.mark.parametrize(
    ("count", "names"), [(0, []), (1, ["best"]), (2, ["best", "worst"]), (3, ["best", "median", "worst"])]
)
def test_of_few_cases_each_is_shown_once(count: int, names: list[str]) -> None:
    rows = [*rows_of([{"md": float(i)} for i in range(count)]), *rows_of([{}])]
    bands = best_median_worst(rows, "md")
    assert [name for name, _ in bands] == names
    shown = [row.values["md"] for _, band in bands for row in band]
    assert sorted(shown) == list(range(count))


def sheet_case(level: int, height: int = 128) -> SheetCase:
    grey = np.full((height, height, 3), level, np.uint8)
    handle = np.array([[0.25 * height, 0.5 * height], [np.nan, np.nan]], np.float32)
    target = handle + np.array([0.5 * height, 0.25 * height], np.float32)
    return SheetCase(grey, grey + np.uint8(50), None, handle, target, f"case {level}")


def test_a_sheet_shows_its_cases_in_order() -> None:
    sheet = contact_sheet([("best", [sheet_case(level) for level in range(10, 60, 10)]), ("", [sheet_case(100)])])
    cases_per_line = 4  # of five: two images each
    assert sheet.size == (
        cases_per_line * (2 * CELL_SIZE + CASE_GAP) + CASE_GAP,
        2 * CASE_GAP + TITLE_HEIGHT + 3 * (CELL_SIZE + CAPTION_HEIGHT),
    )
    pixels = np.asarray(sheet)

    def corner(column: int, line: int, title: int = TITLE_HEIGHT) -> list[int]:
        x, y = (
            CASE_GAP + column * (2 * CELL_SIZE + CASE_GAP) + 2,
            CASE_GAP + title + line * (CELL_SIZE + CAPTION_HEIGHT) + 2,
        )
        return [int(pixels[y, x, 0]), int(pixels[y, x + CELL_SIZE, 0])]

    assert [corner(i, 0) for i in range(4)] == [[10, 60], [20, 70], [30, 80], [40, 90]]
    assert corner(0, 1) == [50, 100]
    assert corner(1, 1) == [255, 255]
    assert corner(0, 2) == [100, 150]


@pytest.mark.parametrize("height", [32, 64, 128, 256])
def test_markers_lie_on_their_points(height: int) -> None:
    pixels = np.asarray(contact_sheet([("", [sheet_case(100, height)])]))[
        CASE_GAP : CASE_GAP + CELL_SIZE, CASE_GAP : CASE_GAP + CELL_SIZE
    ].astype(int)
    handle, target = (32 + 64 / height - 0.5, 64 + 64 / height - 0.5), (96 + 64 / height - 0.5, 96 + 64 / height - 0.5)

    def centre(color: tuple[int, int, int]) -> tuple[float, float]:
        y, x = np.nonzero(np.abs(pixels - color).sum(axis=2) < 40)
        return float(x.mean()), float(y.mean())

    assert centre(HANDLE_COLOR) == pytest.approx(handle, abs=0.6)
    assert centre(TARGET_COLOR) == pytest.approx(target, abs=0.6)
    assert (np.abs(pixels - LINE_COLOR).sum(axis=2) < 250).any()
    away = (pixels == 100).all(axis=2)
    assert away[:50].all() and away[:, 110:].all() and away[100:, :60].all()  # the rest of the image is unchanged


def test_the_image_after_the_edit_has_no_markers() -> None:
    pixels = np.asarray(contact_sheet([("", [sheet_case(100)])]))
    assert (pixels[CASE_GAP : CASE_GAP + CELL_SIZE, CASE_GAP + CELL_SIZE : CASE_GAP + 2 * CELL_SIZE] == 150).all()


def test_mask_sheets_show_the_same_cases_with_and_without_a_mask(made: SyntheticRun) -> None:
    with_mask = [{"change_outside": float(change)} for change in (1, 9, 2, 8)]
    without = [{"change_outside": float(change)} for change in (50, 10, 40, 20, 30)]
    made.add("mask", "with mask", "drag", with_mask)
    made.add("mask", "without", "drag", without)
    (sheet,) = mask_sheets(made.path, read_rows(made.path), row_count=2)
    pixels = np.asarray(sheet.image)
    tops = (CASE_GAP + TITLE_HEIGHT, CASE_GAP + 2 * TITLE_HEIGHT + CELL_SIZE + CAPTION_HEIGHT)
    for top in tops:  # the median of 10, 20, 40, 50; the image's level is 10 × case
        assert [int(pixels[top + 2, CASE_GAP + i * (2 * CELL_SIZE + CASE_GAP) + 2, 0]) for i in range(2)] == [30, 20]


# Plots

MEANS = (
    MeanInterval(2, 1.5, 2.5, 9),
    MeanInterval(4, 4, 4, 9),
    MeanInterval(3, math.nan, math.nan, 1),
    MeanInterval(math.nan, math.nan, math.nan, 0),
)


def size_of(png: bytes | None) -> tuple[int, int]:
    assert png is not None
    assert 2_000 < len(png) <= 100_000
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        return image.size


def test_plots_are_small_png_files() -> None:
    pytest.importorskip("matplotlib")
    panels = [Panel(name, "MD, px", ("2", "4", "6", "8"), MEANS, 1) for name in ("r1", "λ", "space", "r2")]
    width, height = size_of(plot_bars(panels[:3]))
    assert width > height
    wide, high = size_of(plot_settings(panels))
    assert size_of(plot_settings(panels[:3]))[0] == wide and size_of(plot_settings(panels[:3]))[1] < high
    size_of(plot_settings(panels * 3))
    size_of(plot_curves({"1 point": {"drag": mean_band([[(0, 1.0), (10, 2.0)], [(0, 2.0)]])}}, "error, px"))


def test_a_mean_curve_has_the_steps_of_all_curves() -> None:
    band = mean_band([[(0, 1.0), (10, 3.0)], [(0, 3.0), (4, 5.0)]])
    assert band.steps.tolist() == [0, 4, 10]
    assert band.mean.tolist() == [2, 3, 4]


def test_a_report_without_matplotlib_has_no_plots(made: SyntheticRun, monkeypatch: pytest.MonkeyPatch) -> None:
    made.add("landmarks", "1 point", "drag", [{"md": 2, "md_start": 8}] * 3)
    made.add("ablation", "r1: 1.5", "drag", [{"md": 2, "md_start": 8}] * 3)
    made.add("tracking", "1 point", "drag", [{"error_mean": 1}] * 2, [((0, 1.0),)] * 2)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    text = made.report()
    assert MATPLOTLIB_MISSING in text
    assert "| drag   | 2.00 [2.00, 2.00] (2.00), 25 % |" in text
    image_names = sorted(path.name for path in (made.path.parent / "report-images").iterdir())
    assert image_names == ["landmarks-1-point.png", "landmarks-worst.png"]
    assert text.count("](report-images/") == 2


def test_a_report_with_matplotlib_has_plots(made: SyntheticRun) -> None:
    pytest.importorskip("matplotlib")
    made.add("landmarks", "1 point", "drag", [{"md": 2, "md_start": 8}] * 3)
    made.add("ablation", "r1: 1.5", "drag", [{"md": 2, "md_start": 8}] * 3)
    made.add("tracking", "1 point", "drag", [{"error_mean": 1}] * 2, [((0, 1.0), (5, 2.0))] * 2)
    text = made.report()
    assert MATPLOTLIB_MISSING not in text
    for name in ("landmarks", "ablations", "tracking"):
        assert f"](report-images/{name}.png)" in text
        size_of((made.path.parent / "report-images" / f"{name}.png").read_bytes())
