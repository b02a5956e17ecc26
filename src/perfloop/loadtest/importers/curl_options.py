"""The words of a curl command as curl itself would read them. Pure."""

from __future__ import annotations

from ...exceptions import InvalidValue

__all__ = ["CurlOptions"]

# With a value, by what they do; each long name first. curl's own meaning of the short ones.
_VALUED = {
    "--request": "method", "-X": "method",
    "--header": "header", "-H": "header",
    "--data": "data", "-d": "data", "--data-ascii": "data",
    "--data-raw": "raw", "--data-binary": "binary", "--data-urlencode": "urlencode", "--json": "json",
    "--user": "user", "-u": "user",
    "--cookie": "cookie", "-b": "cookie",
    "--user-agent": "agent", "-A": "agent",
    "--referer": "referer", "-e": "referer",
    "--oauth2-bearer": "bearer",
    "--range": "range", "-r": "range",
    "--url": "url",
    # These change how curl works, not what it sends.
    "--output": "ignored", "-o": "ignored", "--write-out": "ignored", "-w": "ignored", "--max-time": "ignored",
    "-m": "ignored", "--connect-timeout": "ignored", "--retry": "ignored", "--retry-delay": "ignored",
    "--max-redirs": "ignored", "--dump-header": "ignored", "-D": "ignored", "--limit-rate": "ignored",
    "--cookie-jar": "ignored", "-c": "ignored", "--cacert": "ignored", "--stderr": "ignored",
}  # fmt: skip
_FLAGS = {
    "--get": "get", "-G": "get",
    "--head": "head", "-I": "head",
    "--compressed": "compressed",
    "--insecure": "insecure", "-k": "insecure",
    "--location": "location", "-L": "location",
    "--silent": "ignored", "-s": "ignored", "--show-error": "ignored", "-S": "ignored", "--verbose": "ignored",
    "-v": "ignored", "--include": "ignored", "-i": "ignored", "--fail": "ignored", "-f": "ignored",
    "--no-buffer": "ignored", "-N": "ignored", "--http1.1": "ignored", "--http2": "ignored", "--globoff": "globoff",
    "-g": "globoff", "--path-as-is": "as is", "--no-progress-meter": "ignored", "-#": "ignored",
    "--remote-name": "ignored", "-O": "ignored", "--basic": "ignored", "--fail-with-body": "ignored",
    "--ipv4": "ignored", "-4": "ignored", "--ipv6": "ignored", "-6": "ignored", "--tcp-nodelay": "ignored",
}  # fmt: skip
_REFUSED = {
    "--form": "multipart forms are not built; send the body itself with --data-binary @FILE and its Content-Type",
    "-F": "multipart forms are not built; send the body itself with --data-binary @FILE and its Content-Type",
    "--upload-file": "write --data-binary @FILE and -X PUT",
    "-T": "write --data-binary @FILE and -X PUT",
    "--config": "write its options out",
    "-K": "write its options out",
    "--proxy": "requests go to the service itself",
    "-x": "requests go to the service itself",
    "--unix-socket": "give the socket as the target: http+unix://%2Frun%2Fapp.sock",
    "--digest": "only basic authentication is sent; pass -H 'Authorization: …' to perfloop",
    "--next": "write one command for each request",
    "-:": "write one command for each request",
}


class CurlOptions:
    """The options of one command in turn: (meaning, value, place), as curl would read its words."""

    def __init__(self, words: list[str], lines: list[int], source: str) -> None:
        self.place = f"{source}:{lines[0]}"
        self.options: list[tuple[str, str, str]] = []
        self._words = words
        self._lines = lines
        self._source = source
        self._index = 1
        while self._index < len(words):
            self._take()

    def _take(self) -> None:
        word, where = self._words[self._index], f"{self._source}:{self._lines[self._index]}"
        self._index += 1
        if word == "-" or not word.startswith("-"):
            self.options.append(("url", word, where))
        elif word.startswith("--"):
            self._option(word, None, where)
        else:
            for position in range(1, len(word)):
                attached = word[position + 1 :]
                if self._option(f"-{word[position]}", attached, where):
                    break

    def _option(self, name: str, attached: str | None, where: str) -> bool:
        """Take one option; True when it took the value attached to it."""
        if name in _FLAGS:
            self.options.append((_FLAGS[name], "", where))
            return False
        if name in _VALUED:
            value = attached
            if not value:
                if self._index >= len(self._words):
                    raise InvalidValue("Expected a value after the option", got=name, where=where)
                value = self._words[self._index]
                where = f"{self._source}:{self._lines[self._index]}"
                self._index += 1
            self.options.append((_VALUED[name], value, where))
            return True
        raise InvalidValue(
            "Expected an option of curl that perfloop understands",
            got=name,
            where=where,
            hint=_REFUSED.get(name, "take it out if it does not change what is sent"),
        )
