"""Pixels in, pixels out."""

import os

# Threads of OpenMP that wait for one another sleep, and do not spin: with other processes on the
# same cores, as everywhere here, a network took up to five times as long when they spun, and no
# less when nothing else ran. Read when torch is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
