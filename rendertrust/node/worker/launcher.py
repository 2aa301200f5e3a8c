"""What is started in the sandbox: finds the rest of its folder, and obeys the last argument."""

import importlib
import sys
from pathlib import Path

if __name__ == "__main__":
    # At the end of the path: nothing that lies beside this folder hides what Blender brings.
    sys.path.append(str(Path(__file__).resolve().parent.parent))
    importlib.import_module("worker.program").main()
