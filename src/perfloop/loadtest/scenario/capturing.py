"""A connection of one user: keeps the response where it is looked at, and sends bodies out of files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ..connection import Connection
from .response import LARGEST_BODY, Response

if TYPE_CHECKING:
    from ..recording import Recorder
    from .user import User

__all__ = ["CapturingConnection"]

_PIECE = 64 * 1024


class CapturingConnection(Connection):
    """Beside what its base does it keeps the response: all of it when `capture` is set, else its first piece.

    A body out of a file goes to the transport piece by piece, as fast as it takes them: never whole in memory.
    """

    __slots__ = ("_final_status", "_further", "_kept", "_left", "_paused", "_upload", "capture", "user")

    def __init__(self, engine: Any, failed_attempts: int = 0) -> None:
        super().__init__(engine, failed_attempts)
        self.user: User | None = None
        self.capture = False
        self._further: list[bytes] = []
        self._kept = 0
        self._upload: BinaryIO | None = None
        self._left = 0
        self._paused = False
        self._final_status = 0

    def _keep(self, data: bytes) -> None:
        """A further piece of a response."""
        if not self._further:
            self._kept = len(self.first)
        if self._kept <= LARGEST_BODY:
            self._further.append(data)
            self._kept += len(data)

    def _parse(self, data: bytes, now: float) -> bool:
        if not self.received:
            self.first, self.head = data, None
        elif self.capture:
            self._keep(data)
        whole = super()._parse(data, now)
        if whole:
            self._final_status = self.status
        return whole

    def record_in(self, recorder: Recorder) -> None:
        """Put what happens from now on into another recorder."""
        self._recorder = recorder

    def answer(self, now: float, label: str) -> Response:
        """The response that has just become whole."""
        raw, self.first = self.first, b""
        if self.head is not None:
            return Response(self.head.status, now - self.due, raw, label)
        cut = False
        if self._further:
            cut = self._kept > LARGEST_BODY
            raw = b"".join((raw, *self._further))
            self._further.clear()
        if status := self._final_status:
            self._final_status = 0
        else:
            status = self._get_status() if self.received else int(raw[9:12])
        return Response(status, now - self.due, raw, label, cut)

    # Bodies out of files.

    def send_file(self, path: str, size: int) -> None:
        """Send so many bytes of a file behind the message that was just sent."""
        try:
            self._upload, self._left = Path(path).open("rb"), size  # noqa: SIM115  # closed where the upload ends
        except OSError as error:
            self.fail("body file", f"{path} cannot be read: {error.strerror}")
        else:
            self._send_pieces()

    @property
    def sending(self) -> bool:
        """The request is not all sent yet."""
        return self._upload is not None or (self.transport is not None and self.transport.get_write_buffer_size() > 0)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._send_pieces()

    def close(self) -> None:
        self._end_upload()
        super().close()

    def _send_pieces(self) -> None:
        upload = self._upload
        while upload is not None and not self._paused and not self.dead:
            piece = upload.read(min(_PIECE, self._left))
            self._left -= len(piece)
            if piece:
                self._write_to_transport(0, piece)
            if not self._left:
                self._end_upload()
                return
            if not piece:
                self.fail("body file", f"{upload.name} became shorter while it was sent")
                return

    def _end_upload(self) -> None:
        if self._upload is not None:
            self._upload.close()
            self._upload = None
