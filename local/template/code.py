"""The folders of functions' and layers' code, some made of a zip file or of InlineCode."""

import hashlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from local.template import cfnresponse
from local.template.reader import Properties

UNPACKED_BYTES_MAX = 250 * 1024 * 1024  # Lambda's quota for code and layers
PYTHON_MODULE = "index.py"  # what CloudFormation makes of inline code


def read_code(block: Properties, name: str, folder: Path, default: str | None = None) -> Path:
    """Return the folder that a CodeUri or ContentUri names, from the template's `folder`."""
    value = block.take(name, default)
    if isinstance(value, dict) or str(value).startswith("s3://"):
        raise block.not_emulated(name, "code in S3 is not fetched; name a folder or a zip file")
    path = (folder / block.as_text(name, value)).resolve()
    if path.is_dir():
        return path
    if not path.is_file():
        raise block.error(name, f"no directory {path}; paths start at the template")
    try:
        return _unpacked(path) if zipfile.is_zipfile(path) else _alone(path)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        sentence = f"{path} cannot be unpacked ({error}); name a folder or a zip file"
        raise block.error(name, sentence) from error


def inline_code(block: Properties) -> Path:
    """Return a folder with the code that stands in the template itself."""
    text = block.text("InlineCode")

    def write(folder: Path) -> None:
        (folder / PYTHON_MODULE).write_text(text, encoding="utf-8")
        # Lambda has this module for inline code only.
        shutil.copyfile(cfnresponse.__file__, folder / "cfnresponse.py")

    try:
        return _cached_folder(
            hashlib.sha256(f"with cfnresponse {text}".encode()).hexdigest(), write
        )
    except OSError as error:
        sentence = f"cannot be written to {cache()} ({error.strerror}); set XDG_CACHE_HOME"
        raise block.error("InlineCode", sentence) from error


def _alone(file: Path) -> Path:
    """Return a folder with one file, which SAM would zip."""
    if file.suffix != ".py":
        raise ValueError("it is no zip file")
    digest = hashlib.sha256(file.name.encode() + file.read_bytes()).hexdigest()
    return _cached_folder(digest, lambda folder: shutil.copy(file, folder))


@lru_cache(maxsize=64)  # functions of one template often share a package
def _unpacked(package: Path) -> Path:
    def unpack(folder: Path) -> None:
        with zipfile.ZipFile(package) as archive:
            if sum(each.file_size for each in archive.infolist()) > UNPACKED_BYTES_MAX:
                raise ValueError(f"over {UNPACKED_BYTES_MAX} bytes unpacked")
            archive.extractall(folder)

    with package.open("rb") as file:
        return _cached_folder(hashlib.file_digest(file, "sha256").hexdigest(), unpack)


def _cached_folder(digest: str, fill: Callable[[Path], object]) -> Path:
    """Return a folder named by its content: processes that make it at once agree then."""
    folder = cache() / digest[:32]
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix="new-", dir=folder.parent))
        try:
            fill(unfinished)
            unfinished.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was first
                raise
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    else:
        with suppress(OSError):  # the date of its last use, by which `clean` knows what is idle
            os.utime(folder)
    return folder


def cache() -> Path:
    """Return the folder of the code that stands in templates or in packages, unpacked."""
    folder = os.environ.get("XDG_CACHE_HOME")
    return (Path(folder) if folder else Path.home() / ".cache") / "spillway" / "code"
