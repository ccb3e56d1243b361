"""Draw docs/schedules.svg, the learning rates in docs/training.md: ``python docs/plot_schedules.py``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hcskit.recipe import Recipe, learning_rates, stages

#: Title, schedule and optimiser of each panel; 30 epochs of 50 steps but where they say otherwise.
PANELS = [
    ("cosine (the default)", {"kind": "cosine"}, {}),
    (
        "warm-up from η_ref, 4 × its batch",
        {"kind": "cosine"},
        {"reference_batch": 16, "batch": 64, "warmup_epochs": 5.0},
    ),
    ("exponential, collapse", {"kind": "exponential", "decay": 0.8, "collapse_epochs": 4.0}, {}),
    ("polynomial, collapse", {"kind": "polynomial", "collapse_epochs": 5.0}, {}),
    ("triangular", {"kind": "triangular", "half_cycle_epochs": 3.0}, {"warmup_epochs": 0.0}),
    ("triangular2", {"kind": "triangular2", "half_cycle_epochs": 3.0}, {"warmup_epochs": 0.0}),
    ("exp_range", {"kind": "exp_range", "half_cycle_epochs": 3.0, "gamma": 0.999}, {"warmup_epochs": 0.0}),
    ("snapshots", {"kind": "snapshots", "cycles": 5}, {"warmup_epochs": 0.0}),
    ("batch_growth (dashed: batch)", {"kind": "batch_growth", "largest_batch": 80}, {}),
]
CROPS, WIDTH, HEIGHT, GAP, COLUMNS = 800, 250, 130, 34, 3


def draw() -> str:
    """Return the plot."""
    rows = -(-len(PANELS) // COLUMNS)
    body = [_panel(number, *panel) for number, panel in enumerate(PANELS)]
    width, height = COLUMNS * (WIDTH + GAP) + GAP, rows * (HEIGHT + GAP) + GAP
    look = f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12"'
    paper = f'<rect width="{width}" height="{height}" fill="white"/>'
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" {look}>', paper, *body, "</svg>\n"])


def _panel(number: int, title: str, schedule: dict[str, object], optimiser: dict[str, object]) -> str:
    recipe = Recipe.model_validate({"schedule": schedule, "optimiser": optimiser})
    rates = learning_rates(recipe, CROPS)[:-1]
    batches = np.concatenate([[batch] * (end - begin) for begin, end, batch in stages(recipe)])
    x, y = GAP + number % COLUMNS * (WIDTH + GAP), GAP + number // COLUMNS * (HEIGHT + GAP)
    # Each epoch is equally wide, however many steps it has.
    per_epoch = -(-CROPS // batches)
    across = np.cumsum(np.repeat(1 / per_epoch, per_epoch)) / len(batches)
    lines = [_line(across, rates / rates.max(), x, y, 'stroke="#0072B2"')]
    if len(set(batches)) > 1:
        up = np.repeat(batches, per_epoch) / batches.max()
        lines.append(_line(across, up, x, y, 'stroke="#D55E00" stroke-dasharray="4 3"'))
    frame = f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#c8ced4"/>'
    return "\n".join([frame, f'<text x="{x}" y="{y - 8}">{title}</text>', *lines])


def _line(across: np.ndarray, up: np.ndarray, x: int, y: int, look: str) -> str:
    shown = np.unique(np.linspace(0, len(up) - 1, 300).astype(int))
    points = " ".join(f"{x + WIDTH * across[i]:.1f},{y + HEIGHT * (1 - up[i]):.1f}" for i in shown)
    return f'<polyline points="{points}" fill="none" stroke-width="1.6" {look}/>'


if __name__ == "__main__":
    Path(__file__).with_name("schedules.svg").write_text(draw(), encoding="utf-8")
