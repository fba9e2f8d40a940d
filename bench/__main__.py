"""``python -m bench``: run the benchmarks."""

import sys

from bench.command import main

if __name__ == "__main__":
    sys.exit(main())
