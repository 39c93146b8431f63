"""The files of a form on their way: into the store without a temporary file, or a few kept until the view ends.

Django parses a form before the view that it is for: for the CSRF token already. So who may bring files, and where to,
is decided before a byte of the body is read; files that are sent elsewhere go nowhere.
"""

from __future__ import annotations

from collections.abc import Callable
from tempfile import SpooledTemporaryFile
from typing import Any, ClassVar, TypeVar

from django.conf import settings
from django.core.exceptions import TooManyFilesSent
from django.core.files.uploadhandler import FileUploadHandler, StopUpload
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.http.multipartparser import MultiPartParser
from django.utils.datastructures import MultiValueDict

from lifecycle.uploads import receiving
from lifecycle.uploads.receiving import Receiving
from opsconsole.exceptions import OpsError, Refused
from opsconsole.pages.base import SCOPES, Page
from opsconsole.pages.small_files import SmallFile

PAGE = "upload-new"  # the one page whose form brings files into the store
FOLDER_PAGE = "folder-new"  # the one whose form brings a folder of migrations
CHUNK = 64 << 10

GetResponse = Callable[[HttpRequest], HttpResponse]


class Uploads:
    """Middleware: chooses where the files of a form go, and removes what was not kept when the request is over."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            return self.get_response(request)
        finally:
            for handler in getattr(request, "_upload_handlers", []):
                if isinstance(handler, Taker):
                    handler.discard()

    def process_view(self, request: HttpRequest, view: Any, _: Any, arguments: dict[str, Any]) -> None:
        page = getattr(view, "page", None)
        if request.method != "POST" or (page is None and request.user.is_authenticated):
            return  # the admin's own pages import tables, which Django keeps in temporary files
        taker = _taker(page) if page is not None else None
        wanted = taker if taker and _may(request, arguments) else Nowhere
        request.upload_handlers = [wanted(request)]


class Nowhere(FileUploadHandler):
    """Refuses every file, before it is read."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        raise StopUpload(connection_reset=True)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        return None

    def file_complete(self, file_size: int) -> None:
        return None


class Taker(FileUploadHandler):
    """One that takes files. What went wrong is kept for the view, which tells it as any refusal."""

    chunk_size = CHUNK

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request)
        self.problem: OpsError | None = None

    def upload_interrupted(self) -> None:
        self.problem = Refused("cut_upload", "The upload ended in the middle of a file.", "Bring the files again.")

    def discard(self) -> None:
        """Forget what the view did not keep."""


class IntoTheStore(Taker):
    """Gives every file to one `Receiving`."""

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request)
        self.receiving = Receiving()

    def handle_raw_input(
        self, input_data: Any, META: Any, content_length: int, boundary: Any, encoding: Any = None
    ) -> None:
        try:
            self.receiving.expect(content_length)
        except OpsError as error:
            self.problem = error

    def new_file(self, field_name: str, file_name: str, *args: Any, **kwargs: Any) -> None:
        super().new_file(field_name, file_name, *args, **kwargs)
        if self.problem is None:
            self._try(lambda: self.receiving.begin(file_name))
        if self.problem is not None:
            raise StopUpload(connection_reset=False)  # the rest is read and forgotten, so that the answer is heard

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self._try(lambda: self.receiving.files[-1].write(raw_data))
        if self.problem is not None:
            raise StopUpload(connection_reset=False)

    def file_complete(self, file_size: int) -> None:
        return None  # the view asks `received`, not the form's files

    def discard(self) -> None:
        self.receiving.discard()

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
        except OpsError as error:
            self.problem = error


class IntoPieces(Taker):
    """Keeps a few files of a folder, or one archive, in temporary files without names, up to so many bytes."""

    most: ClassVar[int] = 256 << 20

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request)
        self.files: list[tuple[str, SpooledTemporaryFile[bytes]]] = []
        self._size = 0
        self._parsed = False

    def handle_raw_input(
        self, input_data: Any, META: Any, content_length: int, boundary: Any, encoding: Any = None
    ) -> Any:
        if self._parsed:
            return None
        self._parsed = True
        return _Counting(META, input_data, [self], encoding).parse_for(self, input_data)

    def new_file(self, field_name: str, file_name: str, *args: Any, **kwargs: Any) -> None:
        super().new_file(field_name, file_name, *args, **kwargs)
        if self.problem is not None:
            raise StopUpload(connection_reset=False)
        self.files.append((file_name, SpooledTemporaryFile(max_size=1 << 20)))  # noqa: SIM115 - `discard` closes it

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self._size += len(raw_data)
        if self._size > self.most:
            why = f"That is more than {self.most >> 20} MiB."
            self.problem = Refused("too_large", why, "Bring only the folder of the migrations.")
            raise StopUpload(connection_reset=False)
        self.files[-1][1].write(raw_data)

    def file_complete(self, file_size: int) -> None:
        self.files[-1][1].seek(0)

    def discard(self) -> None:
        for _, file in self.files:
            file.close()


class _Counting(MultiPartParser):
    """Django's own, but for a form with too many files, which is told of like any other refusal."""

    _post: QueryDict

    def parse_for(self, taker: Taker, body: Any) -> tuple[QueryDict, MultiValueDict[str, Any]]:
        try:
            return self.parse()
        except TooManyFilesSent:
            while body.read(CHUNK):
                pass  # so that the answer is heard
            most = settings.DATA_UPLOAD_MAX_NUMBER_FILES
            taker.problem = Refused(
                "too_many_files",
                f"More than {most} files were sent.",
                "Choose the folder of the migrations itself, or bring the repository as an archive (git archive).",
            )
            return self._post, MultiValueDict()  # the CSRF token stood before the files


Taking = TypeVar("Taking", bound=Taker)
TAKERS: dict[str, type[Taker]] = {PAGE: IntoTheStore, FOLDER_PAGE: IntoPieces}


def _taker(page: Page) -> type[FileUploadHandler] | None:
    return SmallFile if page.file else TAKERS.get(page.name)


def received(request: HttpRequest) -> Receiving:
    """What the form of this request brought into the store. Raises what went wrong on the way."""
    return _taken(request, IntoTheStore).receiving


def received_pieces(request: HttpRequest) -> list[tuple[str, SpooledTemporaryFile[bytes]]]:
    """The files that the form of this request brought, by name. Raises what went wrong on the way."""
    return _taken(request, IntoPieces).files


def _taken(request: HttpRequest, kind: type[Taking]) -> Taking:
    found = [handler for handler in request.upload_handlers if isinstance(handler, kind)]
    if not found:
        raise Refused(
            "not_allowed", "Your role does not let you bring files there.", "Ask an engineer of its owner group."
        )
    if found[0].problem is not None:
        raise found[0].problem
    return found[0]


def _may(request: HttpRequest, arguments: dict[str, Any]) -> bool:
    """Whether the account that asks may bring files for the database that the address names."""
    if not request.user.is_authenticated:
        return False
    find = SCOPES["database"].find
    assert find is not None
    try:
        receiving.refuse(find(request.user, dict(arguments)), request.user)
    except (Http404, OpsError):
        return False
    return True
