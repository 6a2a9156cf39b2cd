"""The adapter file: how somebody else's back end is joined, read and resumed (docs/targets.md).

`read_adapter` reads YAML, or a Python file with a dict `TARGET` of the same content and two
optional functions. What is wrong is one line: file, place, what it may be.
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit, urlunsplit

import msgspec
import yaml

from chunk7.delivery.errors import UsageError
from chunk7.delivery.user_file import load_file
from chunk7.loadtest.targets.explained import explain
from chunk7.loadtest.targets.paths import compile_path
from chunk7.loadtest.targets.transports import BY_SCHEME
from chunk7.wire.store.layout import TemplateLayout, Templates
from chunk7.wire.templates import braced, placeholders, texts, without_secrets

JOIN_PLACEHOLDERS = ("session_id", "after", "user", "connection_id")
VALUE_PATHS = ("session", "message", "index", "seq", "id", "text")
"""Fields of a rule that say where a chunk's values stand."""
_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
_VARIABLE = re.compile(r"\$\{(\w+)\}")

Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=3_600_000)]


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is written down has the names below, and no others."""


class Tls(_Record, frozen=True, kw_only=True):
    """How a server's certificate is judged."""

    verify: bool = True
    ca: str | None = None
    """A PEM file of authorities to trust instead of the system's."""


class FrameRule(_Record, frozen=True, kw_only=True):
    """What a frame is, if `when` holds, and where in it the values stand (PATHs)."""

    kind: Literal["history", "chunk", "control", "end", "error"] = msgspec.field(name="is")
    when: dict[str, Any] = {}
    """PATH: value, a list of allowed values, or `*` for anything but null; all must hold."""
    each: str | None = None
    """PATH to a list whose elements are the chunks; the paths below start at an element."""
    session: str | None = None
    message: str | None = None
    index: str | None = None
    seq: str | None = None
    id: str | None = None
    text: str | None = None


class ResumeRule(_Record, frozen=True, kw_only=True):
    """How a client that was away says what it has."""

    by: Literal["query", "last_event_id", "frame", "nothing"]
    value: Literal["id", "seq", "index"] = "id"
    drop_after_ms: Milliseconds | None = None
    away_ms: Milliseconds | None = None


class ProduceRule(_Record, frozen=True, kw_only=True):
    """Where and in which form chunk7's producer writes; None: as chunk7's own nodes read it."""

    write: tuple[str, ...] = ("publish_then_save",)
    history: str | None = None
    channel: str | None = None
    stream: str | None = None
    counter: str | None = None
    payload: Any = None
    fields: dict[str, str] | None = None
    ttl_s: Annotated[int, msgspec.Meta(ge=1, le=31_536_000)] = 3600

    def templates(self) -> Templates:
        """The layout that is described; what is left out is chunk7's own."""
        names = Templates.__struct_fields__
        given = {name: value for name in names if (value := getattr(self, name)) is not None}
        return Templates(**given)


class FinishedAnswer(_Record, frozen=True, kw_only=True):
    """Where the whole answer can be fetched afterwards."""

    url: str
    text: str


class LogRule(_Record, frozen=True, kw_only=True):
    """A log in which whoever makes the answers writes a line of JSON a chunk; PATHs of a line."""

    file: str
    session: str
    text: str | None = None
    message: str | None = None
    index: str | None = None
    seq: str | None = None
    time: str | None = None
    """When it was sent: Unix time in s, ms, us or ns, or ISO 8601."""


class Ask(_Record, frozen=True, kw_only=True):
    """The request that makes the target start an answer."""

    method: Literal["GET", "POST"] = "POST"
    url: str
    headers: dict[str, str] = {}
    body: Any = None
    session_id: str | None = None
    """PATH into the answer's JSON, where the target names the session."""
    reference: Literal["connection", "request", "log"] | FinishedAnswer = "connection"
    log: LogRule | None = None


class StartRule(_Record, frozen=True, kw_only=True):
    """How the target is started, with `$PORT` and `$REDIS_URL` in its environment; `{port}` in the
    command's words is the port, too. It then listens there, whatever port the URLs name."""

    command: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    processes: Annotated[int, msgspec.Meta(ge=1, le=2)] = 1
    """2: clients join at the first, answers are asked for at the second."""
    environment: dict[str, str] = {}
    folder: str = "."
    """Where it is started, from the adapter's own folder."""
    ready_s: Annotated[float, msgspec.Meta(gt=0, le=600)] = 10.0


class AdapterFile(_Record, frozen=True, kw_only=True):
    """The content of an adapter file, field by field."""

    name: str
    url: str
    method: Literal["GET", "POST"] = "GET"
    headers: dict[str, str] = {}
    cookies: dict[str, str] = {}
    subprotocols: tuple[str, ...] = ()
    body: Any = None
    send: tuple[Any, ...] = ()
    framing: Literal["json", "text", "socket.io"] = "json"
    tls: Tls = Tls()
    first_after: str | int = "0"
    """What {after} is at a first join."""
    start: StartRule | None = None
    frames: tuple[FrameRule, ...] = ()
    resume: ResumeRule | None = None
    store: str | None = None
    produce: ProduceRule | None = None
    ask: Ask | None = None


class Adapter(AdapterFile, frozen=True, kw_only=True):
    """An adapter, read and checked."""

    file: str
    written: dict[str, Any]
    """The content as written, before the environment's secrets came in: what may be recorded."""
    read: Callable[[str | bytes, str | None, str | None], list[dict[str, Any]]] | None = None
    values: Callable[[str, int], dict[str, str]] | None = None
    ports: tuple[int, ...] = ()
    """At which its started processes listen; the URLs lead there."""


def read_adapter(path: Path, ports: str = "") -> Adapter:
    """The adapter in a `.yaml` or `.py` file; at these ports, `8001` or `8001,8002`, if there are
    some. Raises UsageError in one line."""
    try:
        functions: dict[str, Any] = {}
        if path.suffix == ".py":
            module = load_file(path, "adapter")
            written = getattr(module, "TARGET", None)
            functions = {name: getattr(module, name, None) for name in ("read", "values")}
            for name, function in functions.items():
                if function is not None and not callable(function):
                    raise UsageError(f"{name}: is no function")
        else:
            written = _read_yaml(path)
        if not isinstance(written, dict):
            where = "TARGET" if path.suffix == ".py" else "the file"
            raise UsageError(f"{where} must be a mapping that begins with name and url")
        content = _with_environment(written, "")
        file = msgspec.convert(content, AdapterFile)
        fields: dict[str, Any] = {
            name: getattr(file, name) for name in AdapterFile.__struct_fields__
        }
        adapter = Adapter(**fields, **functions, file=str(path), written=written)
        _check(adapter)
        adapter = at_ports(adapter, [int(port) for port in ports.split(",") if port])
    except msgspec.ValidationError as error:
        raise UsageError(f"{path}: {explain(str(error), AdapterFile)}") from error
    except UsageError as error:
        raise UsageError(in_file(str(path), error)) from error
    return adapter


def at_ports(adapter: Adapter, ports: Sequence[int]) -> Adapter:
    """The adapter with its URLs led to processes of this machine: clients join at the first, and
    the last is asked for answers. As it is for no ports."""
    if not ports:
        return adapter
    ask = adapter.ask
    if ask is not None:
        finished = ask.reference
        if isinstance(finished, FinishedAnswer):
            finished = msgspec.structs.replace(finished, url=_led_to(finished.url, ports[-1]))
        ask = msgspec.structs.replace(ask, url=_led_to(ask.url, ports[-1]), reference=finished)
    return msgspec.structs.replace(
        adapter, url=_led_to(adapter.url, ports[0]), ask=ask, ports=tuple(ports)
    )


def _led_to(url: str, port: int) -> str:
    parts = urlsplit(url)
    login, at, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{login}{at}127.0.0.1:{port}"))


def in_file(file: str, error: Exception) -> str:
    """The error's line, with the adapter's file before it, once."""
    line = str(error)
    return line if line.startswith(file) else f"{file}: {line}"


# --- reading ---


def _read_yaml(path: Path) -> Any:
    try:
        text = path.read_text()
        _refuse_twice(yaml.compose(text, yaml.SafeLoader))
        return yaml.safe_load(text)
    except OSError as error:
        raise UsageError(f"{error.strerror or error}") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UsageError(f"line {line}: no YAML: {error.problem}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"no YAML: {str(error).splitlines()[0]}") from error


def _refuse_twice(node: Any) -> None:
    """A key that stands twice, of which YAML would silently drop the first."""
    if isinstance(node, yaml.SequenceNode):
        for element in node.value:
            _refuse_twice(element)
    if isinstance(node, yaml.MappingNode):
        names = [key.value for key, _ in node.value]
        for key, value in node.value:
            if names.count(key.value) > 1:
                line = key.start_mark.line + 1
                raise UsageError(f"line {line}: {key.value!r} stands twice")
            _refuse_twice(value)


def _with_environment(value: Any, place: str) -> Any:
    """The value with every `${NAME}` in its texts replaced."""
    if isinstance(value, Mapping):
        return {
            key: _with_environment(part, f"{place}.{key}".lstrip("."))
            for key, part in value.items()
        }
    if isinstance(value, list | tuple):
        return [_with_environment(part, f"{place}.{i}") for i, part in enumerate(value)]
    if not isinstance(value, str):
        return value

    def variable(found: re.Match[str]) -> str:
        if found[1] not in os.environ:
            raise UsageError(f"{place}: ${{{found[1]}}} is not set in the environment")
        return os.environ[found[1]]

    return _VARIABLE.sub(variable, value)


# --- what the types do not say ---


def _check(adapter: Adapter) -> None:
    if not _NAME.fullmatch(adapter.name):
        raise UsageError(f"name: {adapter.name!r}: letters, digits, - and _, at most 40")
    scheme = _check_url("url", adapter.url, tuple(BY_SCHEME))
    websocket = scheme in ("ws", "wss")
    _check_transport(adapter, websocket)
    _check_placeholders(adapter)
    _check_frames(adapter)
    if adapter.resume is not None:
        _check_resume(adapter, adapter.resume, websocket)
    if adapter.produce is not None and adapter.ask is not None:
        raise UsageError("ask: produce is there too; either chunk7's producer writes, or you ask")
    if adapter.ask is not None:
        _check_url("ask.url", adapter.ask.url, ("http", "https"))
        if isinstance(adapter.ask.reference, FinishedAnswer):
            _check_url("ask.reference.url", adapter.ask.reference.url, ("http", "https"))
        _check_log(adapter.ask)


def _check_log(ask: Ask) -> None:
    if (ask.reference == "log") != (ask.log is not None):
        raise UsageError("ask.log: goes with reference: log, and that with it")
    if ask.log is None:
        return
    if not (ask.log.text or ask.log.index or ask.log.seq):
        raise UsageError("ask.log: needs text, index or seq to tell chunks apart")
    for name in ("session", "text", "message", "index", "seq", "time"):
        if (path := getattr(ask.log, name)) is not None:
            try:
                compile_path(path)
            except UsageError as error:
                raise UsageError(f"ask.log.{name}: {error}") from error


def _check_url(place: str, url: str, schemes: tuple[str, ...]) -> str:
    """The URL's scheme."""
    try:
        parts = urlsplit(url)
        known = parts.scheme in schemes and parts.hostname and (parts.port is None or parts.port)
    except ValueError:
        known = False
    if not known:
        allowed = ", ".join(f"{scheme}://" for scheme in schemes)
        shown = without_secrets(url)
        raise UsageError(f"{place}: {shown!r}: a host and a path after one of {allowed}")
    return parts.scheme


def _check_transport(adapter: Adapter, websocket: bool) -> None:
    """What only one of the transports has must not be said of another: it would do nothing."""
    socketio = adapter.framing == "socket.io"
    only_http, only_websocket = "only for http:// and https://", "only for ws:// and wss://"
    with_get = not websocket and adapter.method == "GET" and bool(adapter.body)
    no_file = adapter.tls.ca is not None and not Path(adapter.tls.ca).is_file()
    faults = (
        ("framing", socketio and not websocket, "socket.io is spoken over ws:// and wss:// here"),
        ("method", websocket and adapter.method == "POST", only_http),
        ("body", websocket and not socketio and adapter.body is not None, only_http),
        ("body", with_get, "needs method: POST"),
        ("send", not websocket and bool(adapter.send), only_websocket),
        ("subprotocols", not websocket and bool(adapter.subprotocols), only_websocket),
        ("tls.ca", no_file, f"no file {adapter.tls.ca}"),
    )
    for place, wrong, line in faults:
        if wrong:
            raise UsageError(f"{place}: {line}")
    if socketio and not isinstance(adapter.body, dict | None):
        raise UsageError("body: the auth of a socket.io connection is a mapping")
    for i, event in enumerate(adapter.send if socketio else ()):
        if not (isinstance(event, list) and event and isinstance(event[0], str)):
            raise UsageError(f"send.{i}: a socket.io event is a list: [NAME, ARGUMENT, ...]")


def _check_placeholders(adapter: Adapter) -> None:
    """Those of `values` are known only once it is called: then `fill` refuses."""
    filled: dict[str, Any] = {
        "url": adapter.url,
        "headers": adapter.headers,
        "cookies": adapter.cookies,
        "body": adapter.body,
        "send": adapter.send,
    }
    if adapter.ask is not None:
        filled["ask"] = msgspec.to_builtins(adapter.ask)
    if adapter.values is None:
        for place, value in filled.items():
            _check_known(value, place, JOIN_PLACEHOLDERS)
    if adapter.produce is not None:
        try:
            TemplateLayout(adapter.produce.templates())
        except UsageError as error:
            raise UsageError(f"produce.{error}") from error


def _check_known(value: Any, place: str, known: tuple[str, ...]) -> None:
    for where, name in placeholders(value, place):
        if name not in known:
            raise UsageError(f"{where}: {{{name}}} is none of {braced(known)}")


def _check_frames(adapter: Adapter) -> None:
    if adapter.read is not None:
        if adapter.frames:
            raise UsageError("frames: the function read is there too; one of them reads")
        return
    if not any(rule.kind in ("chunk", "history") for rule in adapter.frames):
        raise UsageError("frames: no rule with is: chunk or is: history, so nothing would be read")
    for i, rule in enumerate(adapter.frames):
        paths = {f"when.{path}": path for path in rule.when}
        paths |= {name: getattr(rule, name) for name in ("each", *VALUE_PATHS)}
        for name, path in paths.items():
            if path is not None:
                try:
                    compile_path(path)
                except UsageError as error:
                    raise UsageError(f"frames.{i}.{name}: {error}") from error
        if rule.kind in ("chunk", "history") and not (rule.text or rule.index or rule.seq):
            raise UsageError(
                f"frames.{i}: {rule.kind} needs text, index or seq to tell chunks apart"
            )


def _check_resume(adapter: Adapter, resume: ResumeRule, websocket: bool) -> None:
    def sends(value: Any) -> bool:
        return any("{after}" in text for _, text in texts(value, ""))

    recovers = adapter.framing == "socket.io"
    faults = (
        ("by", resume.by == "query" and not sends(adapter.url), "query needs {after} in url"),
        (
            "by",
            resume.by == "frame" and not (recovers or sends(adapter.send) or sends(adapter.body)),
            "frame needs {after} in send",
        ),
        ("by", resume.by == "last_event_id" and websocket, "last_event_id is for http:// (SSE)"),
        (
            "value",
            resume.by != "nothing"
            and adapter.read is None
            and not any(getattr(rule, resume.value) for rule in adapter.frames),
            f"no rule in frames says where {resume.value} stands",
        ),
    )
    for place, wrong, line in faults:
        if wrong:
            raise UsageError(f"resume.{place}: {line}")
