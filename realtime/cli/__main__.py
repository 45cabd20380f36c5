"""`python -m realtime.cli`, for where the command itself is not on the path."""

import sys

from realtime.cli import main

sys.exit(main())
