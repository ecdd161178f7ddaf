"""How fast the simulation runs and what its seeds reach: ``python -m bench.simulation.bench [ARGS of simulate]``.

Without arguments it runs what the tests run and writes nothing; ``--json bench/simulation/results.json`` keeps the
figures. A seed does not depend on the machine; seeds a minute do.
"""

from __future__ import annotations

import sys

from tools.simulate import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
