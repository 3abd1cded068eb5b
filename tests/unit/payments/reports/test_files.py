"""Files of reports are written from front to end, in a folder as in a bucket."""

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from backend.errors import NotFound, Unavailable
from payments.reports import files
from payments.reports.files import Files
from payments.reports.schema import LIFE_MS, Written

NAME = "rep_abcdefghijklmnopqrstuvwxy2.csv"
LINE = "id,\"ä says 'no'\",1\r\n".encode()
MIB = 2**20


def folder_of(path: Path) -> tuple[Files, Callable[[], bytes]]:
    path = path / "with space"
    return files.connect(path.as_uri()), (path / NAME).read_bytes


@pytest.fixture(params=["folder", "bucket"])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Files, Callable[[], bytes]]]:
    """A store of files, and what reads the file in it."""
    if request.param == "folder":
        yield folder_of(tmp_path)
        return
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with mock_aws():
        client = boto3.client("s3")

        def read() -> bytes:
            body: bytes = client.get_object(Bucket="reports", Key=f"of/{NAME}")["Body"].read()
            return body

        client.create_bucket(
            Bucket="reports", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        yield (
            files.connect("s3://reports/of/"),
            read,
        )


@pytest.mark.parametrize("sizes", [[], [10], [10, 20], [300_000, 1, 300_000, 9], [6, 290_000]])
def test_a_file_is_what_was_written_and_a_repeat_of_the_last_write_adds_nothing(place, sizes):
    store, read = place
    written, whole = Written(), b""
    for lines in sizes:
        text = LINE * lines
        store.append(NAME, written, text + b"of one who died")
        written = store.append(NAME, written, text)
        whole += text
    store.finish(NAME, written)
    store.finish(NAME, written)

    assert read() == whole
    assert written.size == len(whole)


def test_the_parts_of_a_folder_s_file_are_whole_lines_and_together_the_file(tmp_path: Path):
    store, read = folder_of(tmp_path)
    dice = random.Random(7)
    text = b"".join("ä".encode() * dice.randrange(200) + b"\n" for _ in range(20_000))
    store.append(NAME, Written(), text)

    parts = [store.part(NAME, n) for n in range(1, store.parts(len(text)) + 1)]

    assert b"".join(parts) == text == read()
    assert len(parts) > 3
    assert all(each.endswith(b"\n") and len(each) < MIB + 500 for each in parts)
    for number in (0, len(parts) + 1):
        with pytest.raises(NotFound):
            store.part(NAME, number)


def test_a_bucket_s_file_is_behind_a_link_that_holds_for_a_while():
    store = files.Bucket("reports", "of/")
    with mock_aws():
        link = store.link(NAME) or ""

    assert f"of/{NAME}?" in link
    assert "X-Amz-Expires=900" in link
    with pytest.raises(NotFound):
        store.part(NAME, 2)


def test_reports_that_are_over_are_deleted_and_nothing_else(tmp_path: Path):
    store, read = folder_of(tmp_path)
    store.drop_old(0)  # there is no folder yet
    store.append(NAME, Written(), LINE)
    names = ("accounts.csv", "rep_1.txt", "rep_2025.csv", "rep_of_sales.jsonl", "old")
    others = [tmp_path / "with space" / each for each in names]
    for file in others[:-1]:
        file.touch()
    others[-1].mkdir()
    changed_s = os.stat(tmp_path / "with space" / NAME).st_mtime

    store.drop_old(changed_s + LIFE_MS / 1000 - 1)
    assert read() == LINE
    store.drop_old(changed_s + LIFE_MS / 1000 + 1)

    with pytest.raises(NotFound):
        store.part(NAME, 1)
    assert all(each.exists() for each in others)


def test_a_folder_that_takes_nothing_is_unavailable(tmp_path: Path):
    (tmp_path / "file").touch()
    store = files.connect((tmp_path / "file").as_uri())

    with pytest.raises(Unavailable):
        store.append(NAME, Written(), LINE)


def test_a_folder_and_its_files_are_their_owner_s_only(tmp_path: Path):
    store, _ = folder_of(tmp_path)
    store.append(NAME, Written(), LINE)

    folder = tmp_path / "with space"
    assert [each.stat().st_mode & 0o077 for each in (folder, folder / NAME)] == [0, 0]


def test_a_bucket_that_cannot_be_reached_is_unavailable_also_when_a_file_ends(
    monkeypatch: pytest.MonkeyPatch,
):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    store = files.connect("s3://reports/of/")

    with pytest.raises(Unavailable):
        store.finish(NAME, Written(size=9, upload="an-upload", parts=("a-tag",)))
