"""`python -m executorch_vulkan`, and the console script of the same name."""

import sys

from executorch_vulkan.cli import main

if __name__ == "__main__":
    sys.exit(main())
