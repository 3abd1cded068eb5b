"""The files of reports: in a folder, or in an S3 bucket, each written from its front to its end.

What a report's document says is written is safe. Who writes more and dies has written nothing: the
next one begins at the same place. One writes at a time, because a turn's lease is longer than it.
"""

import os
import re
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from msgspec.structs import replace

from backend.errors import NotFound, Unavailable
from backend.ids import LENGTH
from payments.reports.schema import CONTENT_TYPES, LIFE_MS, Written

PART_BYTES = 2**20  # of a file, in one answer: Lambda's are 6 MB, written as JSON
S3_PART_BYTES = 5 * 2**20  # S3's least, but for the last one
LINK_LIFE_S = 900  # of an address that S3 answers without a token
TIMEOUT_S = 10
OWN = re.compile(rf"rep_[a-z2-7]{{{LENGTH}}}\.({'|'.join(CONTENT_TYPES)})")  # the names of files


class Files(Protocol):
    """A store of files by name."""

    def append(self, name: str, written: Written, text: bytes) -> Written:
        """Write more behind what is written; raises Unavailable."""

    def finish(self, name: str, written: Written) -> None:
        """Have the file whole, also where it is already; raises Unavailable."""

    def parts(self, size: int) -> int:
        """Return in how many parts a file of so many bytes is fetched."""

    def part(self, name: str, number: int) -> bytes:
        """Return a part, from 1; whole lines that together are the file. Raises NotFound."""

    def link(self, name: str) -> str | None:
        """Return an address of the whole file that needs no token, or None."""

    def drop_old(self, now_s: float) -> None:
        """Delete the files of reports that are over."""


class Folder:
    """A folder of this machine."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, name: str, written: Written, text: bytes) -> Written:
        """Write behind what is written, to the disk; see `Files`."""
        try:
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._path / name, os.O_RDWR | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "r+b") as file:
                file.truncate(written.size)
                file.seek(written.size)
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise Unavailable("The folder of reports takes no more.") from error
        return replace(written, size=written.size + len(text))

    def finish(self, name: str, written: Written) -> None:
        """Have the file end where it ends."""
        self.append(name, written, b"")

    def parts(self, size: int) -> int:
        """Return in how many parts a file of so many bytes is fetched."""
        return max(1, -(-size // PART_BYTES))

    def part(self, name: str, number: int) -> bytes:
        """Return a part: it ends with the line in which so many bytes are over."""
        try:
            with (self._path / name).open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if not 1 <= number <= self.parts(size):
                    raise NotFound(
                        f"The last part of the content is {self.parts(size)}.", param="part"
                    )
                start, end = (_line_end(file, each * PART_BYTES) for each in (number - 1, number))
                file.seek(start)
                return file.read(end - start)
        except OSError as error:
            raise NotFound("The report's content is gone.", param="report_id") from error

    def link(self, name: str) -> str | None:
        """Return None: the API hands out its parts."""
        return None

    def drop_old(self, now_s: float) -> None:
        """Delete the files of reports that are over; what else the folder has is its owner's."""
        for file in self._path.glob("rep_*"):
            is_old = OWN.fullmatch(file.name) and file.lstat().st_mtime < now_s - LIFE_MS / 1000
            if is_old and file.is_file():
                file.unlink(missing_ok=True)


def _line_end(file: Any, offset: int) -> int:
    if not offset:
        return 0
    file.seek(offset - 1)
    file.readline()
    position: int = file.tell()
    return position


class Bucket:
    """A bucket of S3, whose own life cycle deletes what is old."""

    def __init__(self, name: str, prefix: str) -> None:
        self._bucket = name
        self._prefix = prefix
        self._client: Any = None

    def append(self, name: str, written: Written, text: bytes) -> Written:
        """Upload a part, or put what is too little for one aside; see `Files`."""
        size = written.size + len(text)
        text = self._tail(name, written) + text
        if len(text) < S3_PART_BYTES:
            self._put(f"{name}.tail-{size}", text)
            return replace(written, size=size, tail=len(text))
        upload = (
            written.upload
            or self._call("create_multipart_upload", Key=self._key(name), **self._headers(name))[
                "UploadId"
            ]
        )
        tag = self._upload(name, upload, len(written.parts) + 1, text)
        return Written(size=size, upload=upload, parts=(*written.parts, tag))

    def finish(self, name: str, written: Written) -> None:
        """Upload the rest and have S3 put the parts together, unless it has; see `Files`."""
        text = self._tail(name, written)
        if not written.upload:
            self._put(name, text, **self._headers(name))
            return
        if self._size_of(name) == written.size:
            return
        tags = [*written.parts]
        if text:
            tags.append(self._upload(name, written.upload, len(tags) + 1, text))
        parts = [{"PartNumber": n, "ETag": tag} for n, tag in enumerate(tags, start=1)]
        self._call(
            "complete_multipart_upload",
            Key=self._key(name),
            UploadId=written.upload,
            MultipartUpload={"Parts": parts},
        )

    def parts(self, size: int) -> int:
        """Return 1: a link leads to the whole file."""
        return 1

    def part(self, name: str, number: int) -> bytes:
        """Raise NotFound: a link leads to the whole file."""
        raise NotFound("The last part of the content is 1.", param="part")

    def link(self, name: str) -> str | None:
        """Return an address that holds for LINK_LIFE_S."""
        url: str = self._s3().generate_presigned_url(
            "get_object",
            Params={"Bucket": self._bucket, "Key": self._key(name)},
            ExpiresIn=LINK_LIFE_S,
        )
        return url

    def drop_old(self, now_s: float) -> None:
        """Do nothing: the bucket's life cycle does."""

    def _tail(self, name: str, written: Written) -> bytes:
        if not written.tail:
            return b""
        key = self._key(f"{name}.tail-{written.size}")
        body: bytes = self._call("get_object", Key=key)["Body"].read()
        return body

    def _put(self, name: str, text: bytes, **headers: str) -> None:
        self._call("put_object", Key=self._key(name), Body=text, **headers)

    def _upload(self, name: str, upload: str, number: int, text: bytes) -> str:
        tag: str = self._call(
            "upload_part", Key=self._key(name), UploadId=upload, PartNumber=number, Body=text
        )["ETag"]
        return tag

    def _size_of(self, name: str) -> int | None:
        """Return the length of a file that is whole; None where there is none, or no answer."""
        try:
            size: int = self._call("head_object", Key=self._key(name))["ContentLength"]
        except Unavailable:  # what the caller does then says whether the bucket answers
            return None
        return size

    def _headers(self, name: str) -> dict[str, str]:
        return {
            "ContentType": CONTENT_TYPES[name.rpartition(".")[2]],
            "ContentDisposition": f'attachment; filename="{name}"',
        }

    def _key(self, name: str) -> str:
        return f"{self._prefix}{name}"

    def _call(self, operation: str, **arguments: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  # see _s3

        try:
            return getattr(self._s3(), operation)(Bucket=self._bucket, **arguments)
        except (BotoCoreError, ClientError) as error:
            raise Unavailable("The bucket of reports does not answer.") from error

    def _s3(self) -> Any:
        if self._client is None:
            # It takes 200 ms to import, and only who builds or fetches a report needs it.
            import boto3  # noqa: PLC0415
            from botocore.config import Config  # noqa: PLC0415

            self._client = boto3.client(
                "s3",
                config=Config(
                    signature_version="s3v4",
                    connect_timeout=TIMEOUT_S,
                    read_timeout=TIMEOUT_S,
                    retries={"total_max_attempts": 2},
                ),
            )
        return self._client


def connect(url: str) -> Files:
    """Return the store of files at `url`: file:///folder, or s3://bucket/prefix/."""
    parts = urlsplit(url)
    if parts.scheme == "s3":
        return Bucket(parts.netloc, parts.path.removeprefix("/"))
    return Folder(Path(unquote(parts.path)))
