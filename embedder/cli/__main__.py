"""`python -m embedder.cli`, for where `tessera` is not installed."""

import sys

from embedder.cli import main

sys.exit(main())
