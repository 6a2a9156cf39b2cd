"""In what two runs differ by their manifests: what they were asked to do, and on what machine."""

from typing import Any

from chunk7.analysis.manifest import Manifest
from chunk7.wire.plan import OPTIONS

_PLAN = (
    *(name for name, found in OPTIONS.items() if not found.delay and name != "settle_ms"),
    "quiet_ms",
)
"""Of the plan, what decides who joins what when, and when chunks come."""

_NO_PARAMETERS = frozenset({"thresholds", "connect_files", "write_files"})
"""Settings that change nothing about what happens in a cell."""


def same_plan(a: Manifest, b: Manifest) -> str | None:
    """None when users meet the same chunks at the same moments in both, else why they do not."""
    for name in _PLAN:
        if getattr(a.plan, name) != getattr(b.plan, name):
            return f"they differ in {name}"
    if _settings(a).get("answers") != _settings(b).get("answers"):
        return "they differ in answers"
    return None


def differing(a: Manifest, b: Manifest) -> list[str]:
    """A line for each parameter, and each trait of the machine, in which two runs differ.

    Not the cells, which are compared one by one, nor what `changed` tells.
    """
    return _differences(_parameters(a), _parameters(b))


def changed(a: Manifest, b: Manifest) -> list[str]:
    """A line for the commit, and each version of a part, in which two runs differ: what a
    comparison is usually about."""
    return _differences(_versions(a), _versions(b))


def _differences(a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    return [
        f"{name}: {_shown(a.get(name))} in A, {_shown(b.get(name))} in B"
        for name in [*a, *(name for name in b if name not in a)]
        if a.get(name) != b.get(name)
    ]


def _parameters(manifest: Manifest) -> dict[str, Any]:
    plan = {name: getattr(manifest.plan, name) for name in OPTIONS if name != "settle_ms"}
    settings = {k: v for k, v in _settings(manifest).items() if k not in _NO_PARAMETERS}
    return plan | settings | _table(manifest.extra.get("machine"))


def _versions(manifest: Manifest) -> dict[str, Any]:
    versions = _table(manifest.extra.get("versions"))
    packages = _table(versions.pop("packages", None))
    return {"commit": manifest.extra.get("commit")} | versions | packages


def _settings(manifest: Manifest) -> dict[str, Any]:
    return _table(manifest.extra.get("settings"))


def _table(value: Any) -> dict[str, Any]:
    """A copy of it, empty for what is none: `extra` is the writer's own."""
    return dict(value) if isinstance(value, dict) else {}


def _shown(value: Any) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
