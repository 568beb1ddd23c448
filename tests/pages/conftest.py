import pytest

from studio.shell.messages import compile_catalogues


@pytest.fixture(scope="session", autouse=True)
def languages() -> None:
    """The catalogues as Django reads them; a plain pytest has no set-up that made them."""
    compile_catalogues()
