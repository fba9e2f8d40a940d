"""``python -m jitgrad``: the main job."""

import sys

from jitgrad.demo.command import main

if __name__ == "__main__":
    sys.exit(main())
