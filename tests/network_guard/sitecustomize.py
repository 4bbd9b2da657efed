"""Python runs this file at start where its folder is on PYTHONPATH: it guards every child."""

import importlib.util
from pathlib import Path

_spec = importlib.util.spec_from_file_location("guard", Path(__file__).with_name("guard.py"))
assert _spec is not None
assert _spec.loader is not None
_guard = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_guard)
_guard.install(loopback=True)
