"""Entry point in the sandbox: runs the worker's program with the order in the last argument."""

import importlib
import sys
from pathlib import Path

if __name__ == "__main__":
    # Last on the path, so that no file beside this folder hides Blender's modules.
    sys.path.append(str(Path(__file__).resolve().parent.parent))
    importlib.import_module("worker.program").main()
