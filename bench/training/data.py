"""The bench's files: mixed columns with gaps, written once, the same for every arm."""

from __future__ import annotations

from pathlib import Path

import numpy as np

SEED = 42
BLOCK_ROWS = 50_000
CITIES = ("Lisbon", "Porto", "Faro", "Braga", "Coimbra", "Évora", "Aveiro", "Setúbal")
PLANS = ("basic", "plus", "family", "business")
HEADER = "age,tenure,income,usage_a,usage_b,usage_c,score,city,plan,device,churn,spend"


def write(path: Path, megabytes: int) -> Path:
    """Write a table of about ``megabytes`` MB: seven numbers, three texts, a yes/no and a number to predict."""
    draw = np.random.default_rng(SEED)
    limit = megabytes * 1_000_000
    size = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        size += file.write(HEADER + "\n")
        while size < limit:
            size += file.write(_block(draw))
    return path


def _block(draw: np.random.Generator) -> str:
    n = BLOCK_ROWS
    age, tenure = draw.integers(18, 90, n), draw.integers(0, 240, n)
    income = draw.lognormal(10, 0.5, n)
    usage = draw.gamma(2, 50, (3, n))
    score = draw.normal(0, 1, n)
    city, plan, device = draw.integers(0, len(CITIES), n), draw.integers(0, len(PLANS), n), draw.integers(0, 40, n)
    pull = 0.02 * (age - 50) - 0.01 * tenure + 0.4 * (plan == 0) + 0.8 * score + 0.004 * usage[0]
    churn = draw.random(n) < 1 / (1 + np.exp(-pull))
    spend = 20 + 0.3 * usage[0] + 0.1 * usage[1] + 15 * (plan == 3) + 5 * score + draw.normal(0, 5, n)
    missing = draw.random((2, n)) < 0.03
    lines = [
        f"{a},{t},{'' if gap else f'{i:.2f}'},{x:.3f},{y:.3f},{z:.3f},{'' if hole else f'{s:.4f}'},"
        f"{CITIES[c]},{PLANS[p]},device {d},{'yes' if left else 'no'},{money:.2f}"
        for a, t, i, gap, x, y, z, s, hole, c, p, d, left, money in zip(
            age.tolist(), tenure.tolist(), income.tolist(), missing[0].tolist(), *usage.tolist(), score.tolist(),
            missing[1].tolist(), city.tolist(), plan.tolist(), device.tolist(), churn.tolist(), spend.tolist(),
            strict=True,
        )
    ]  # fmt: skip
    return "\n".join(lines) + "\n"
