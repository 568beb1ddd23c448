"""The client for other machines: they install it from the studio itself, in the studio's own version."""

from pathlib import Path

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _

from studio.kernel.errors import NotFound

FOLDER = Path(settings.BASE_DIR) / "client" / "dist"


def wheel_name() -> str:
    """The file name of the wheel, empty when set-up has built none."""
    return next((path.name for path in sorted(FOLDER.glob("zaffre-*.whl"))), "")


def install_command(site: str, extra: str = "") -> str:
    """The words that install the client from the studio at `site`; `extra` is `agent` for a node."""
    name = wheel_name()
    if not name:
        return f"pip install './client[{extra}]'" if extra else "pip install ./client"
    address = f"{site}/client/{name}"
    return f'pip install "zaffre[{extra}] @ {address}"' if extra else f"pip install {address}"


def wheel(request: HttpRequest, name: str) -> HttpResponse:
    """GET /client/<wheel>: open to everybody, because pip sends no token, and it holds no secret. Raises NotFound."""
    if not name or name != wheel_name():
        raise NotFound(_("The studio has no such file of the client."), hint=_("Reload the page that named it."))
    answer = HttpResponse((FOLDER / name).read_bytes(), content_type="application/octet-stream")
    answer["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
    return answer
