"""Functions that call a script of the repository in this process."""

import importlib.util
import sys
from pathlib import Path
from unittest import mock

SCRIPTS = Path(__file__).parents[1] / "scripts"


def load_script(name):
    """The script as a module."""
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def call_script(name, *arguments):
    """The exit status of a script with those arguments."""
    module = name if not isinstance(name, str) else load_script(name)
    with mock.patch.object(sys, "argv", ["script.py", *map(str, arguments)]):
        try:
            module.main()
        except SystemExit as end:
            return end.code
    return 0
