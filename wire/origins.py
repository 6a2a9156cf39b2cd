"""Who may join, or have something changed, over HTTP: one check for every server of ours.

A browser sends what any web page tells it to, to any address that it reaches, loopback included.
Three headers, which no page can forge, tell such requests from ours:

| header | what is let in |
|---|---|
| `Host` | a loopback name, the host of `--listen`, `--allow-host`: no name that was made to lead here (DNS rebinding) |
| `Origin` | none, the very `Host`, `--allow-origin`: no page of somewhere else |
| `Sec-Fetch-Site` | none, `same-origin`, `none`; any with `--allow-origin`: the same, where no Origin is sent |

Tools (curl, Locust's users, our own processes) send a Host and neither of the others. An address in
digits cannot be rebound, so who listens on all interfaces takes every such address as its own. Only
bodies of `application/json` are read as JSON: a page cannot send that elsewhere without asking
first, and nobody here answers such a question (CORS) with yes.
"""  # noqa: E501 - a table

import argparse
import ipaddress
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chunk7.delivery.errors import UsageError

HOSTS_ENVIRONMENT = "CHUNK7_ALLOW_HOSTS"
ORIGINS_ENVIRONMENT = "CHUNK7_ALLOW_ORIGINS"
UNCHECKED = ("/healthz", "/metrics")
"""Read-only, without anything of a session, and asked for under any name by whoever watches."""
READS = ("GET", "HEAD", "OPTIONS")
JSON = "application/json"

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{1,253})(?::([0-9]{1,5}))?")
_NAME = re.compile(r"[a-z0-9._-]{1,253}")
_ORIGIN = re.compile(r"https?://([^/?#@\s]+)")
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_WILDCARDS = ("", "*", "0.0.0.0", "::")  # noqa: S104 - compared with, not listened on
_OWN_SITES = ("same-origin", "none")


@dataclass(frozen=True, slots=True)
class Origins:
    """Under which names a server is known, and whose pages may use it beside its own."""

    hosts: frozenset[str] = frozenset()
    """Lower-case names and addresses without port, beside the loopback ones."""
    any_address: bool = False
    """Whether every address in digits is one of ours."""
    pages: frozenset[str] = frozenset()
    """Origins, each `http(s)://HOST[:PORT]`."""

    def refusal(self, headers: Iterable[tuple[str, str]], reads_only: bool = False) -> str | None:
        """Why a request with these (name, value) pairs is not let in, in one line; None: it is.

        What only reads may come from a link on any page, but not by way of another name: a page
        sees nothing of another origin's answer.
        """
        found: dict[str, list[str]] = {"host": [], "origin": [], "sec-fetch-site": []}
        for name, value in headers:
            if name.lower() in found:
                found[name.lower()].append(value)
        if doubled := [name for name, values in found.items() if len(values) > 1]:
            return f"{doubled[0]}: given twice"
        host, origin, site = ("".join(values) for values in found.values())
        if not self._is_ours(host):
            return "Host: not a name of this server; --allow-host adds one"
        if reads_only or origin in self.pages:
            return None
        if found["origin"] and not _same_place(origin, host):
            return "Origin: another site's page; --allow-origin lets one in"
        if site not in ("", *_OWN_SITES):
            return "Sec-Fetch-Site: another site's page; --allow-origin lets one in"
        return None

    def _is_ours(self, host: str) -> bool:
        match = _HOST.fullmatch(host)
        if match is None:
            return False
        name = match[1].lower().strip("[]")
        if name == "localhost" or name in self.hosts:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return self.any_address or address.is_loopback


def json_refusal(content_type: str) -> str | None:
    """Why a body of this Content-Type is not read as JSON; None: it is."""
    if content_type.partition(";")[0].strip().lower() == JSON:
        return None
    return f"Content-Type: want {JSON}"


def origins_of(listen: str, given: "argparse.Namespace | None" = None) -> Origins:
    """What a server that listens on this host takes; `given` has the options of `add_origins`.

    Raises UsageError for a bad one.
    """
    everywhere = listen in _WILDCARDS
    hosts = () if given is None else map(_allowed_host, given.allow_host)
    pages = () if given is None else map(_allowed_origin, given.allow_origin)
    own = () if everywhere else (listen.lower(),)
    return Origins(frozenset((*hosts, *own)), everywhere, frozenset(pages))


def add_origins(
    parser: "argparse.ArgumentParser | argparse._ArgumentGroup",
    environment: Mapping[str, str] = os.environ,
) -> None:
    """Declare `--allow-host` and `--allow-origin`, which `origins_of` reads and checks.

    The environment's CHUNK7_ALLOW_HOSTS and CHUNK7_ALLOW_ORIGINS, separated by commas, stand for
    them in every process of a cluster.
    """
    for option, variable, metavar, text in (
        ("--allow-host", HOSTS_ENVIRONMENT, "NAME", "a name that leads here"),
        ("--allow-origin", ORIGINS_ENVIRONMENT, "URL", "whose pages may use this"),
    ):
        words = map(str.strip, environment.get(variable, "").split(","))
        parser.add_argument(
            option,
            action="append",
            default=[word for word in words if word],
            metavar=metavar,
            help=f"{text}, beside its own (repeatable; or {variable} in the environment)",
        )


def _allowed_host(text: str) -> str:
    """The name in lower case; raises UsageError."""
    name = text.lower()
    if not _NAME.fullmatch(name):
        raise UsageError(f"--allow-host: {text[:80]!r} is not a host's name, without a port")
    return name


def _allowed_origin(text: str) -> str:
    """The origin as a browser sends it; raises UsageError."""
    if not _ORIGIN.fullmatch(text):
        raise UsageError(f"--allow-origin: {text[:80]!r} is not http(s)://HOST[:PORT]")
    return text.lower()


def _same_place(origin: str, host: str) -> bool:
    """Whether a page of this origin came from this very Host; proxies may have ended its TLS."""
    match = _ORIGIN.fullmatch(origin)
    if match is None:  # also the `null` of a sandbox or a file
        return False
    default = _DEFAULT_PORTS[origin.partition(":")[0]]
    return _with_port(match[1], default) == _with_port(host, default)


def _with_port(place: str, default: str) -> tuple[str, str]:
    match = _HOST.fullmatch(place)
    return (match[1].lower(), match[2] or default) if match else ("", place)
