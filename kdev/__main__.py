"""python -m kdev."""

import sys

from kdev.cli.main import main

sys.exit(main())
