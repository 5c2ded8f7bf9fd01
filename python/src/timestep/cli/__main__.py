"""python -m timestep.cli: the command `timestep` without its script."""

import sys

from timestep.cli import main

sys.exit(main())
