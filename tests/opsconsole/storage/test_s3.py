"""An S3 store: broken lines, dead writers, servers that do not heed conditions, addresses that may not be reached."""

from __future__ import annotations

import http.client
import http.server
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from opsconsole import outbound, process
from opsconsole.exceptions import OperationFailed
from opsconsole.storage import failure_of, s3_client
from opsconsole.storage.s3 import Place, S3Store
from tests.opsconsole.storage.test_contract import LARGE, PART_BYTES, publish, unfinished
from tests.support.adversity import cutter
from tests.support.servers import S3Server, free_port


@pytest.fixture
def store(s3_server: S3Server) -> S3Store:
    return S3Store(s3_server.place(part_bytes=PART_BYTES))


def writer_process(store: S3Store) -> process.Child:
    """Another process that has uploaded a part of `savings/data` and stands still."""
    place = store.place
    given = {"bucket": place.bucket, "endpoint": place.endpoint, "access_key": "AKIATEST", "secret_key": "x",
             "networks": place.networks, "part_bytes": place.part_bytes}  # fmt: skip
    program = (
        "import time\n"
        "from opsconsole.storage.s3 import Place, S3Store\n"
        f"writer = S3Store(Place(**{given!r})).create('savings/data', part='7.1')\n"
        "writer.write(b'x' * (11 << 20))\n"
        "print('half', flush=True)\n"
        "time.sleep(60)\n"
    )
    child = process.spawn([process.python(), "-c", program], stdout=process.PIPE, env={"PYTHONPATH": os.getcwd()})
    assert child.stdout is not None and child.stdout.readline() == b"half\n"
    return child


def test_a_check_of_a_server_that_hangs_waits_once_and_says_at_what(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_client, "READ_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:  # it takes connections and says nothing
        endpoint = f"http://127.0.0.1:{server.getsockname()[1]}"
        place = Place(
            bucket="b", access_key="AKIATEST", secret_key="x", endpoint=endpoint, networks=("127.0.0.0/8",), tries=1
        )  # fmt: skip
        with pytest.raises(OperationFailed, match=r"did not answer in time, at writing \.check-") as failure:
            S3Store(place).examine()
    assert failure.value.code == "store_timeout"


def test_what_a_killed_writer_left_is_invisible_and_swept(store: S3Store) -> None:
    child = writer_process(store)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    process.close_pipes(child)
    assert store.keys("savings") == []
    assert store.examine().unfinished == 1
    assert store.sweep("savings", part="7.1") == 1
    assert unfinished(store) == []


def test_twelve_hundred_keys_are_listed_over_several_pages(store: S3Store) -> None:
    line = http.client.HTTPConnection(store.place.endpoint.removeprefix("http://"))
    for number in range(1200):
        line.request("PUT", f"/{store.place.bucket}/many/{number:04d}", b"")
        assert line.getresponse().read() == b""
    line.close()
    keys = store.keys("many")
    assert (len(keys), keys[0], keys[-1]) == (1200, "many/0000", "many/1199")


def test_reading_goes_on_where_the_line_broke(s3_server: S3Server, store: S3Store) -> None:
    publish(store, "savings/data", LARGE)
    with cutter(s3_server) as proxy:
        broken = S3Store(replace(store.place, endpoint=f"http://127.0.0.1:{proxy.port}"))
        proxy.cut_at("out", 2 << 20)
        with broken.open("savings/data") as stream:
            assert stream.read() == LARGE
        assert proxy.was_cut


def test_a_part_whose_line_broke_is_sent_again(s3_server: S3Server, store: S3Store) -> None:
    with cutter(s3_server) as proxy:
        broken = S3Store(replace(store.place, endpoint=f"http://127.0.0.1:{proxy.port}", conditional=True))
        proxy.cut_at("in", 3 << 20)
        publish(broken, "savings/data", LARGE)
        assert proxy.was_cut
    with store.open("savings/data") as stream:
        assert stream.read() == LARGE


def test_an_answer_that_is_lost_does_not_make_our_own_object_somebody_elses(
    s3_server: S3Server, store: S3Store
) -> None:
    with cutter(s3_server) as proxy:
        broken = S3Store(replace(store.place, endpoint=f"http://127.0.0.1:{proxy.port}", conditional=True))
        with broken.create("savings/data", part="1.1") as writer:
            writer.write(b"rows")
            writer.sync()
            proxy.cut_at("out", 1)
            writer.publish()
        assert proxy.was_cut
    assert store.keys("savings") == ["savings/data"]


def test_bytes_that_do_not_come_are_no_damage(store: S3Store, s3_server: S3Server) -> None:
    publish(store, "savings/data", b"x" * (32 << 20))  # more than all sockets in between hold on their own
    with cutter(s3_server) as proxy:
        stream = S3Store(replace(store.place, endpoint=f"http://127.0.0.1:{proxy.port}")).open("savings/data")
        descriptor = stream.fileno()
        os.read(descriptor, 1 << 16)
        store.delete("savings/data")  # and the line breaks, so that it would have to be asked for again
        proxy.cut_at("out", 1)
        while os.read(descriptor, 1 << 20):
            pass
        failure = failure_of(stream)
        assert isinstance(failure, OperationFailed) and failure.code == "store_changed"
        with pytest.raises(OperationFailed):
            stream.close()


def test_a_server_that_refuses_conditions_is_looked_at_first() -> None:
    """Against a small server that answers 501 to every condition, as some do."""
    with refusing_conditions() as (endpoint, held):
        store = S3Store(Place(bucket="b", endpoint=endpoint, access_key="k", secret_key="s", networks=("127.0.0.0/8",)))
        assert not store.examine().refuses_doubles
        publish(store, "savings/data", b"first")
        with pytest.raises(FileExistsError):
            publish(store, "savings/data", b"second", part="1.2")
        assert held == {"/b/savings/data": b"first"}


@contextmanager
def refusing_conditions() -> Iterator[tuple[str, dict[str, bytes]]]:
    held: dict[str, bytes] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, status: int, body: bytes = b"") -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", '"x"')
            self.end_headers()
            self.wfile.write(body)

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers["If-None-Match"]:
                self.answer(501, b"<Error><Code>NotImplemented</Code></Error>")
                return
            held[self.path] = body
            self.answer(200)

        def do_GET(self) -> None:
            if "uploads" in self.path:
                self.answer(200, b"<ListMultipartUploadsResult/>")
            elif self.path in held:
                self.answer(200, held[self.path])
            else:
                self.answer(404)

        def do_HEAD(self) -> None:
            self.answer(200 if self.path in held else 404)

        def do_DELETE(self) -> None:
            held.pop(self.path, None)
            self.answer(204)

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", held
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"bucket": "nobody-made-this"}, "store_bucket"),
        ({"endpoint": f"http://127.0.0.1:{free_port()}"}, "store_unreachable"),
        ({"endpoint": "http://no-such-host.invalid"}, "store_dns"),
        ({"networks": ()}, "store_address"),
        ({"endpoint": "http://169.254.169.254", "networks": ("127.0.0.0/8",)}, "store_address"),
        ({"endpoint": "ftp://127.0.0.1"}, "store_not_s3"),
    ],
)
def test_what_keeps_a_store_from_working_has_a_class_and_a_next_step(
    store: S3Store, change: dict[str, Any], code: str
) -> None:
    with pytest.raises(OperationFailed) as failure:
        S3Store(replace(store.place, tries=1, **change)).examine()
    assert failure.value.code == code
    assert failure.value.next_step


def test_only_public_addresses_and_listed_networks_may_be_reached() -> None:
    assert outbound.may_reach("93.184.215.14", ())
    for address in ("127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fe80::1%eth0", "::ffff:10.0.0.1", "0.0.0.0"):
        assert not outbound.may_reach(address, ()), address
    assert outbound.may_reach("::ffff:10.0.0.1", ("10.0.0.0/8",))
    assert not outbound.may_reach("10.0.0.1", ("192.168.0.0/16",))


def test_the_key_is_in_no_text_of_a_place() -> None:
    place = Place(bucket="b", access_key="AKIAVISIBLE", secret_key="hidden")
    assert "AKIAVISIBLE" not in repr(place) and "hidden" not in repr(place)


def test_a_writer_whose_server_is_gone_stops_whoever_writes(s3_server: S3Server, store: S3Store) -> None:
    with cutter(s3_server) as proxy:
        gone = S3Store(replace(store.place, endpoint=f"http://127.0.0.1:{proxy.port}", conditional=True))
        with pytest.raises(OperationFailed) as failure, gone.create("savings/data", part="1.1") as writer:
            proxy.close()
            for _ in range(30):
                writer.write(b"x" * (1 << 20))
        assert failure.value.code in ("store_unreachable", "store_interrupted")


def test_memory_stays_flat_while_much_passes_through(store: S3Store) -> None:
    """Twenty parts one way and back, of which one or two are in memory at a time."""
    before = _rss()
    with store.create("savings/data", part="1.1") as writer:
        for _ in range(100):
            writer.write(bytes(1 << 20))
        writer.publish()
    read = 0
    with store.open("savings/data") as stream:
        while data := stream.read(1 << 20):
            read += len(data)
    assert read == 100 << 20
    assert _rss() - before < 48 << 20


def _rss() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
