"""The headless half of draggan-tui: networks, drags, files, and the engine process."""

import os

# Before torch is loaded: its worker threads must sleep, not spin, while they wait for each other. On a machine
# whose cores are shared a spinning drag came to a standstill (2 cores, one busy: 60 steps took 55 s, 1.1 s so).
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

MOST_PREVIEWS_PER_SECOND = 15
"""How many images a running drag sends at most: no more than a person notices."""
