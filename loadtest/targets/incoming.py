"""What a server's bytes are to a WebSocket client: messages, and bytes to send back. No I/O.

`websockets` knows RFC 6455. Small whole text messages, which is what nearly every read brings, are
taken from the bytes as they are; the protocol reads all other frames, so what is wrong, and what
belongs together, is for it to find. Between two such frames of an open connection it knows nothing
that a new one would not, and it has 2 KiB: it is put away, and made when it is needed.
"""

from codecs import utf_8_decode

from websockets.client import ClientProtocol
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import Protocol, Side, State

from chunk7.loadtest.targets.errors import Refused
from chunk7.loadtest.targets.frame_bounds import MASKED, WHOLE_TEXT, frame_at
from chunk7.wire.templates import without_secrets

Payload = bytes | bytearray | memoryview
MESSAGE_LIMIT_BYTES = 64 * 1024 * 1024
"""A session's whole history comes as one message."""
SMALL_BYTES = 4_096
"""Of a text message that is not left to the protocol."""
_HEAD_END = b"\r\n\r\n"


class Incoming:
    """The incoming half of one connection.

    `ready` are messages that nobody has taken yet, `to_send` is what must be written, `wrong` why a
    text ended the connection.
    """

    __slots__ = (
        "_fragments",
        "_held",
        "_passing",
        "_protocol",
        "_text",
        "ready",
        "to_send",
        "wrong",
    )

    def __init__(self, protocol: ClientProtocol) -> None:
        self._protocol: Protocol | None = protocol
        self._held = b""
        """The beginning of a frame, or of the handshake's end, of which the rest has not come."""
        self._passing = 0
        """How many bytes are to come of a frame that the protocol is reading."""
        self._fragments: list[Payload] = []
        self._text = False
        self.ready: list[Payload] = []
        self.to_send: list[bytes] = []
        self.wrong: str | None = None

    @property
    def protocol(self) -> Protocol:
        """The connection's protocol; `put_away` after its use."""
        if self._protocol is None:
            self._protocol = Protocol(Side.CLIENT, max_size=MESSAGE_LIMIT_BYTES)
        return self._protocol

    @property
    def is_open(self) -> bool:
        """Whether messages may come, and may be sent."""
        return self._protocol is None or self._protocol.state is _OPEN

    def put_away(self) -> None:
        """Take what the protocol has to send, and forget it if it knows nothing of its own."""
        if self._protocol is None:
            return
        self.to_send += self._protocol.data_to_send()
        between_messages = not self._passing and not self._fragments
        if between_messages and self._protocol.state is _OPEN:
            self._protocol = None

    def take_ready(self) -> list[Payload]:
        """The messages that have come."""
        ready, self.ready = self.ready, []
        return ready

    def feed_head(self, received: bytes) -> None:
        """The answer to the handshake, behind which frames may be. Raises Refused."""
        before = self._held  # the head's end may come in two parts
        end = (before + received).find(_HEAD_END)
        cut = len(received) if end < 0 else end + len(_HEAD_END) - len(before)
        self._held = (before + received)[1 - len(_HEAD_END) :] if end < 0 else b""
        for part in filter(None, (received[:cut], received[cut:])):
            if self.is_open:
                self.feed(part)
                return
            self.protocol.receive_data(part)
            for event in self.protocol.events_received():
                if isinstance(event, Response) and event.status_code != 101:
                    raise Refused(event.status_code, _first_line(event))
            self.put_away()

    def feed(self, received: bytes) -> None:
        """Small whole text messages are ready as they are; all other frames are the protocol's."""
        data, at = self._held + received, 0
        while at < len(data):
            end = at + self._passing
            if not self._passing:
                bounds = frame_at(data, at)
                if bounds is None:
                    break
                begin, end = bounds
                if end - begin <= SMALL_BYTES and self._is_message(data[at], data[at + 1]):
                    if end > len(data):
                        break
                    message = data[begin:end]
                    if message.isascii():
                        self.ready.append(message)
                    else:
                        self._add(message, text=True)
                    at = end
                    continue
            self._pass_on(data[at:end])
            self._passing = max(0, end - len(data))
            at = end
        self._held = data[at:]
        if not received:
            self._pass_on(self._held)
            self.protocol.receive_eof()
        self.put_away()

    def _is_message(self, first: int, second: int) -> bool:
        """Whether a frame that begins so is a text message of its own, and nothing is wrong."""
        begins = first == WHOLE_TEXT and second < MASKED and not self._fragments
        return begins and self.is_open

    def _pass_on(self, data: bytes) -> None:
        self.protocol.receive_data(data)
        for frame in self.protocol.events_received():
            if isinstance(frame, Frame) and frame.opcode in _DATA:
                self._put_together(frame)

    def _put_together(self, frame: Frame) -> None:
        if frame.opcode is not Opcode.CONT:
            self._text = frame.opcode is Opcode.TEXT
        message: Payload = frame.data
        if self._fragments or not frame.fin:
            self._fragments.append(frame.data)
            if not frame.fin:
                return
            message, self._fragments = b"".join(self._fragments), []
        self._add(message, self._text)

    def _add(self, message: Payload, text: bool) -> None:
        if text and self.wrong is None and (wrong := _utf_8_error(message)):
            self.wrong = wrong  # also where a close frame has come with it
            self.protocol.fail(CloseCode.INVALID_DATA, wrong)
        elif self.wrong is None:
            self.ready.append(message)


_OPEN = State.OPEN
_DATA = frozenset((Opcode.TEXT, Opcode.BINARY, Opcode.CONT))


def _utf_8_error(text: Payload) -> str | None:
    """Why a text message ends the connection (RFC 6455, 8.1), which `websockets` leaves to us."""
    try:
        utf_8_decode(text, "strict", True)
    except UnicodeDecodeError as error:
        return f"text that is not UTF-8: {error.reason}"
    return None


def _first_line(response: Response) -> str:
    if location := response.headers.get("Location"):
        return f"{response.reason_phrase}, to {without_secrets(location)}"
    body = bytes(response.body or b"").decode(errors="replace").strip()
    return body.splitlines()[0][:200] if body else response.reason_phrase
