"""docs/targets.md names every key of an adapter, and its examples are read."""

import importlib.util
import re
import socket
import threading
import time
from pathlib import Path

import msgspec
import pytest

from chunk7.loadtest.targets.adapter import (
    AdapterFile,
    Ask,
    FrameRule,
    ProduceRule,
    ResumeRule,
    StartRule,
    Tls,
    read_adapter,
)
from chunk7.loadtest.targets.errors import Closed
from chunk7.loadtest.targets.paths import Message
from chunk7.loadtest.targets.transport import Opening, Transport

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "targets.md").read_text()


RECORDS = [AdapterFile, FrameRule, ResumeRule, ProduceRule, Ask, StartRule, Tls]


@pytest.mark.parametrize("record", RECORDS)
def test_every_key_is_explained(record: type[msgspec.Struct]) -> None:
    code = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`\n]+)`", PAGE))))
    assert {field.encode_name for field in msgspec.structs.fields(record)} <= code


@pytest.mark.parametrize("kind", ["yaml", "python"])
def test_the_example_is_an_adapter(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (block,) = re.findall(rf"```{kind}\n(.*?)```", PAGE, re.S)
    file = tmp_path / ("a.py" if kind == "python" else "a.yaml")
    file.write_text(block)
    monkeypatch.setenv("API_TOKEN", "t")
    adapter = read_adapter(file)
    if adapter.read is not None:
        assert adapter.read('["words", "a", "b"]', None, None)[1] == {"is": "chunk", "text": "b"}


def example_transport(folder: Path) -> Transport:
    """The one that extending.md adds."""
    (text,) = re.findall(
        r"<!-- file: loadtest/targets/\w+\.py -->\n```python\n(.*?)```",
        (DOCS / "extending.md").read_text(),
        re.S,
    )
    (folder / "tcp_lines.py").write_text(text)
    spec = importlib.util.spec_from_file_location("tcp_lines", folder / "tcp_lines.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Transport = module.open_connection
    return found


def test_the_transport_of_the_page_about_extending_works(tmp_path: Path) -> None:
    asked: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            asked.append(connection.recv(100))
            connection.sendall(b"a\nb\nc")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        url = f"tcp://127.0.0.1:{listener.getsockname()[1]}/s1"
        opening = Opening(url, "GET", {}, None, [], (), Tls(), None)
        connection = example_transport(tmp_path)(opening, time.monotonic() + 10)
        received = connection.receive(time.monotonic() + 10)
        with pytest.raises(Closed):
            connection.receive(time.monotonic() + 10)
        connection.close(0)
        thread.join(10)
    assert (asked, received) == ([b"/s1\n"], [Message(b"a"), Message(b"b")])
