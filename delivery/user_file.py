"""Run a user's own file as a module: orderings, client policies, adapters."""

import importlib.util
from pathlib import Path
from types import ModuleType

from chunk7.delivery.errors import UsageError


def load_file(path: Path, what: str) -> ModuleType:
    """A user's own file, run as a module. Raises UsageError in one line; `what` it should be."""
    if not path.is_file():
        raise UsageError(f"no {what} file {path}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise UsageError(f"{path}:{error.lineno}: {error.msg}") from error
    except Exception as error:
        raise UsageError(f"{path} does not load: {type(error).__name__}: {error}") from error
    return module
