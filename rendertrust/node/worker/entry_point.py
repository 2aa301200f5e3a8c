"""Entry point of the worker in the sandbox: imports the worker's program and runs it."""

import importlib
import sys
from pathlib import Path

if __name__ == "__main__":
    # The parent folder is last on the path, so that none of its files hides Blender's modules.
    sys.path.append(str(Path(__file__).resolve().parent.parent))
    importlib.import_module("worker.program").main()
