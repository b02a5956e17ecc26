"""The client's side of one HTTP/2 connection (RFC 9113), without I/O: bytes go in, bytes and calls come out.

What is wrong with one response ends its stream alone; only what makes all that follows meaningless ends the connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import failures
from . import frames
from .frames import ErrorCode, Setting, ViolationError, frame
from .headers import LARGEST_LIST, HeaderDecoder, HeaderEncoder, ResponseHead
from .streams import WINDOW, Stream

if TYPE_CHECKING:
    from .streams import Listener, Owner

__all__ = ["ClientConnection"]

_SETTINGS = {Setting.ENABLE_PUSH: 0, Setting.INITIAL_WINDOW_SIZE: WINDOW, Setting.MAX_HEADER_LIST_SIZE: LARGEST_LIST}
_FIRST_WINDOW = 65_535
_MOST_INTERIM = 32
_MOST_GIVEN_UP = 10_000
_WITHOUT_CONTENT = (204, 304)
_LONGEST_DEBUG = 100


class ClientConnection:
    """One connection.

    Args:
        scheme: of the target, for the requests' `:scheme`.
    """

    def __init__(self, listener: Listener, scheme: bytes) -> None:
        self._listener = listener
        self._encoder = HeaderEncoder(scheme)
        self._decoder = HeaderDecoder()
        self.streams: dict[int, Stream] = {}
        """The open ones."""
        self.most_streams = frames.LARGEST_STREAM
        """As many the server allows at once."""
        self.exhausted = False
        """It has no number left for another stream."""
        self.frames = 0
        """So many came."""
        self.replies = 0
        """So many frames were sent only because the server's ask for them."""
        self.paused = False
        """The way to the server is full: no bodies for now."""
        self._next = 1
        self._given_up: set[int] = set()
        self._uploading: dict[int, Stream] = {}
        self._window = self._first_window = _FIRST_WINDOW
        self._room = WINDOW
        self._largest = frames.LARGEST_FRAME
        self._held = b""
        self._section: tuple[int, int, bytearray] | None = None
        """Stream, flags and block of a header section whose end is yet to come."""
        self._out = [
            frames.PREFACE,
            frame(frames.SETTINGS, 0, 0, frames.write_settings(_SETTINGS)),
            _window_update(0, WINDOW - _FIRST_WINDOW),
        ]

    # What goes out.

    def output(self) -> bytes:
        """What is to be sent, and was not yet taken."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def request(self, message: bytes, owner: Owner) -> Stream:
        """Send a request that is written out for HTTP/1.1, on a stream of its own."""
        head = self._encoder.encode(message)
        number = self._next
        self._next += 2
        self.exhausted = self._next > frames.LARGEST_STREAM
        stream = Stream(number, owner, message, head.body_at, self._first_window, is_head=head.is_head)
        self.streams[number] = stream
        more = head.body_at < len(message)
        flags = frames.END_HEADERS if more else frames.END_HEADERS | frames.END_STREAM
        block, largest = head.block, self._largest
        if len(block) <= largest:
            self._out.append(frame(frames.HEADERS, flags, number, block))
        else:
            self._out.append(frame(frames.HEADERS, flags & ~frames.END_HEADERS, number, block[:largest]))
            for at in range(largest, len(block), largest):
                last = frames.END_HEADERS if at + largest >= len(block) else 0
                self._out.append(frame(frames.CONTINUATION, last, number, block[at : at + largest]))
        if more:
            self._uploading[number] = stream
            self._send_body(stream)
        return stream

    def give_up(self, stream: Stream, code: ErrorCode = ErrorCode.CANCEL) -> None:
        """End a stream that is open, whatever may still come on it."""
        self._over(stream)
        self._say_over(stream, code)

    def resume(self) -> None:
        """The way to the server is free again."""
        self.paused = False
        self._send_bodies()

    def end(self, code: ErrorCode) -> None:
        """Say that the connection ends, and why."""
        payload = (0).to_bytes(4, "big") + code.to_bytes(4, "big")
        self._out.append(frame(frames.GOAWAY, 0, 0, payload))

    def _send_bodies(self) -> None:
        for stream in list(self._uploading.values()):
            self._send_body(stream)

    def _send_body(self, stream: Stream) -> None:
        """As much of the request's body as the server takes now."""
        message, end = stream.message, len(stream.message)
        while not self.paused:
            size = min(stream.window, self._window, self._largest, end - stream.sent)
            if size <= 0:
                return
            piece = message[stream.sent : stream.sent + size]
            stream.sent += size
            stream.window -= size
            self._window -= size
            last = frames.END_STREAM if stream.sent == end else 0
            self._out.append(frame(frames.DATA, last, stream.number, piece))
            if last:
                del self._uploading[stream.number]
                return

    def _over(self, stream: Stream) -> None:
        del self.streams[stream.number]
        self._uploading.pop(stream.number, None)

    def _say_over(self, stream: Stream, code: ErrorCode) -> None:
        if len(self._given_up) >= _MOST_GIVEN_UP:
            self._given_up.clear()
        self._given_up.add(stream.number)
        self._out.append(frame(frames.RST_STREAM, 0, stream.number, code.to_bytes(4, "big")))

    # What arrives.

    def receive(self, data: bytes, now: float) -> None:
        """Take bytes of the server.

        Raises:
            ViolationError: nothing that follows can be understood.
        """
        if self._held:
            data = self._held + data
        at, end = 0, len(data)
        head_size, handlers, read_head = frames.HEAD_SIZE, _HANDLERS, frames.read_head
        while end - at >= head_size:
            upper, lower, kind, flags, number = read_head(data, at)
            length = upper << 8 | lower
            number &= frames.LARGEST_STREAM
            if length > frames.LARGEST_FRAME:
                raise ViolationError(f"a frame of {length} bytes", ErrorCode.FRAME_SIZE_ERROR)
            if kind != frames.SETTINGS and not self.frames:
                raise ViolationError("its first frame is not SETTINGS")
            if self._section is not None and (kind != frames.CONTINUATION or number != self._section[0]):
                raise ViolationError("headers that are not continued")
            following = at + head_size + length
            if following > end:
                break
            payload = data[at + head_size : following]
            at = following
            self.frames += 1
            if kind < len(handlers):  # others are to be ignored (RFC 9113 §4.1)
                handlers[kind](self, flags, number, payload, now)
        self._held = data[at:]

    def _data(self, flags: int, number: int, payload: bytes, now: float) -> None:
        size = len(payload)
        stream = self.streams.get(number)
        # Also what comes for streams that were given up: the connection's window is shared.
        self._room -= size
        if self._room < WINDOW >> 1:
            self._out.append(_window_update(0, WINDOW - self._room))
            self._room = WINDOW
        if flags & frames.PADDED:
            payload = frames.unpadded(payload)
        if stream is None:
            self._came_late(number, f"{size} bytes of a body")
            return
        stream.room -= size
        stream.content += len(payload)
        stream.received += len(payload)
        if not stream.status:
            self._malformed(stream, "a body without headers before it")
        elif stream.content > stream.length >= 0:
            self._malformed(stream, f"{stream.content} bytes of a body that must have {stream.length}")
        elif flags & frames.END_STREAM:
            self._whole(stream, now)
        elif stream.room < WINDOW >> 1:
            self._out.append(_window_update(number, WINDOW - stream.room))
            stream.room = WINDOW

    def _headers(self, flags: int, number: int, payload: bytes, now: float) -> None:
        if flags & frames.PADDED:
            payload = frames.unpadded(payload)
        if flags & frames.WITH_PRIORITY:
            if len(payload) < 5:
                raise ViolationError("HEADERS too short for their priority", ErrorCode.FRAME_SIZE_ERROR)
            payload = payload[5:]
        if flags & frames.END_HEADERS:
            self._header_section(flags, number, payload, now)
        else:
            self._section = number, flags, bytearray(payload)

    def _continuation(self, flags: int, _number: int, payload: bytes, now: float) -> None:
        if self._section is None:
            raise ViolationError("CONTINUATION of no headers")
        number, first_flags, block = self._section
        block += payload
        if len(block) > LARGEST_LIST:
            raise ViolationError(
                f"headers of more than {LARGEST_LIST} bytes",
                ErrorCode.ENHANCE_YOUR_CALM,
                failures.RESPONSE_HEAD_TOO_LARGE,
            )
        if flags & frames.END_HEADERS:
            self._section = None
            self._header_section(first_flags, number, bytes(block), now)

    def _header_section(self, flags: int, number: int, block: bytes, now: float) -> None:
        head = self._decoder.decode(block)
        stream = self.streams.get(number)
        if stream is None:
            self._came_late(number, "headers")
            return
        stream.first_byte = stream.first_byte or now
        stream.received += head.size
        ends = flags & frames.END_STREAM
        if stream.status:
            problem = head.problem_as_trailers or ("" if ends else "headers in the middle of a body")
        else:
            problem = head.problem or self._begin(stream, head, ends=bool(ends))
        if problem:
            self._malformed(stream, problem)
        elif ends:
            self._whole(stream, now)

    @staticmethod
    def _begin(stream: Stream, head: ResponseHead, *, ends: bool) -> str:
        """Take a well-formed head of a response; what is wrong with it here."""
        if head.status < 200:
            stream.interim += 1
            if stream.interim > _MOST_INTERIM:
                return f"more than {_MOST_INTERIM} informational responses"
            return f"nothing behind the informational response {head.status}" if ends else ""
        stream.status = head.status
        # These have no content, whatever Content-Length says (RFC 9110 §8.6).
        stream.length = 0 if stream.is_head or head.status in _WITHOUT_CONTENT else head.length
        return ""

    def _whole(self, stream: Stream, now: float) -> None:
        if stream.content < stream.length:
            self._malformed(stream, f"{stream.content} bytes of a body that must have {stream.length}")
            return
        del self.streams[stream.number]
        if self._uploading.pop(stream.number, None) is not None:
            # Answered before the end of the request's body: without the reset the server would count it as open.
            self._say_over(stream, ErrorCode.NO_ERROR)
        stream.owner.answered(stream, now)

    def _malformed(self, stream: Stream, why: str) -> None:
        self._fail(stream, f"malformed response: {why}", ErrorCode.PROTOCOL_ERROR)

    def _fail(self, stream: Stream, why: str, code: ErrorCode) -> None:
        self.give_up(stream, code)
        stream.owner.failed(failures.INVALID_RESPONSE, why)

    def _came_late(self, number: int, what: str) -> None:
        """A frame for a stream that is over."""
        self._expect_known(number)
        if number not in self._given_up:
            self._listener.unsolicited(f"{what} on a stream that is over")

    def _expect_known(self, number: int) -> None:
        if number & 1 == 0 or number >= self._next:
            raise ViolationError(f"a frame of stream {number}, which no request is on")

    def _priority(self, _flags: int, _number: int, _payload: bytes, _now: float) -> None:
        """Only a server would heed it."""

    def _promise(self, _flags: int, _number: int, _payload: bytes, _now: float) -> None:
        raise ViolationError("PUSH_PROMISE, which was declined")

    def _reset(self, _flags: int, number: int, payload: bytes, _now: float) -> None:
        _expect_size("RST_STREAM", payload, 4)
        stream = self.streams.get(number)
        if stream is None:
            self._expect_known(number)
            return
        self._over(stream)
        code = int.from_bytes(payload, "big")
        unprocessed = code == ErrorCode.REFUSED_STREAM and not stream.first_byte
        why = f"the server reset it: {frames.error_name(code)}"
        stream.owner.failed(failures.STREAM_RESET, why, unprocessed=unprocessed)

    def _settings(self, flags: int, number: int, payload: bytes, _now: float) -> None:
        if number:
            raise ViolationError("SETTINGS of a stream")
        if flags & frames.ACK:
            _expect_size("the acknowledgement of SETTINGS", payload, 0)
            return
        for setting, value in frames.read_settings(payload):
            if setting == Setting.MAX_CONCURRENT_STREAMS:
                self.most_streams = value
            elif setting == Setting.INITIAL_WINDOW_SIZE:
                change, self._first_window = value - self._first_window, value
                for stream in self.streams.values():
                    stream.window += change
                    if stream.window > frames.LARGEST_WINDOW:
                        raise ViolationError("SETTINGS make a window too large", ErrorCode.FLOW_CONTROL_ERROR)
            elif setting == Setting.MAX_FRAME_SIZE:
                self._largest = value
            elif setting == Setting.HEADER_TABLE_SIZE:
                self._encoder.limit_table(value)
        self._reply(frame(frames.SETTINGS, frames.ACK, 0, b""))
        self._send_bodies()
        self._listener.settings_came()

    def _ping(self, flags: int, number: int, payload: bytes, _now: float) -> None:
        if number:
            raise ViolationError("PING of a stream")
        _expect_size("PING", payload, 8)
        if not flags & frames.ACK:
            self._reply(frame(frames.PING, frames.ACK, 0, payload))

    def _reply(self, reply: bytes) -> None:
        self.replies += 1
        self._out.append(reply)

    def _goaway(self, _flags: int, number: int, payload: bytes, _now: float) -> None:
        if number:
            raise ViolationError("GOAWAY of a stream")
        if len(payload) < 8:
            raise ViolationError(f"GOAWAY of {len(payload)} bytes", ErrorCode.FRAME_SIZE_ERROR)
        last, code = int.from_bytes(payload[:4], "big") & frames.LARGEST_STREAM, int.from_bytes(payload[4:8], "big")
        debug = "".join(
            letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}"
            for letter in payload[8:].decode(errors="replace")[:_LONGEST_DEBUG]
        )
        said = [frames.error_name(code)] * (code != ErrorCode.NO_ERROR or bool(debug)) + [debug] * bool(debug)
        untouched = [stream for stream in self.streams.values() if stream.number > last]
        for stream in untouched:
            self._over(stream)
        self._listener.going_away(untouched, ": ".join(said))

    def _window_update(self, _flags: int, number: int, payload: bytes, _now: float) -> None:
        _expect_size("WINDOW_UPDATE", payload, 4)
        increment = int.from_bytes(payload, "big") & frames.LARGEST_WINDOW
        if not number:
            self._window += increment
            if not increment:
                raise ViolationError("WINDOW_UPDATE by nothing")
            if self._window > frames.LARGEST_WINDOW:
                raise ViolationError("the connection's window is too large", ErrorCode.FLOW_CONTROL_ERROR)
            self._send_bodies()
            return
        stream = self.streams.get(number)
        if stream is None:
            self._expect_known(number)
            return
        stream.window += increment
        if not increment:
            self._fail(stream, "WINDOW_UPDATE by nothing", ErrorCode.PROTOCOL_ERROR)
        elif stream.window > frames.LARGEST_WINDOW:
            self._fail(stream, "the stream's window is too large", ErrorCode.FLOW_CONTROL_ERROR)
        elif number in self._uploading:
            self._send_body(stream)


def _window_update(stream: int, increment: int) -> bytes:
    return frame(frames.WINDOW_UPDATE, 0, stream, increment.to_bytes(4, "big"))


def _expect_size(what: str, payload: bytes, size: int) -> None:
    if len(payload) != size:
        raise ViolationError(f"{what} of {len(payload)} bytes", ErrorCode.FRAME_SIZE_ERROR)


_HANDLERS = (
    ClientConnection._data,
    ClientConnection._headers,
    ClientConnection._priority,
    ClientConnection._reset,
    ClientConnection._settings,
    ClientConnection._promise,
    ClientConnection._ping,
    ClientConnection._goaway,
    ClientConnection._window_update,
    ClientConnection._continuation,
)
