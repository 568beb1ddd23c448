"""What of the Azure ML SDK v1 is not here: importing or using it fails with a word on what to use."""

from __future__ import annotations

from typing import Any, Callable

from zaffre.errors import UserErrorException


def absent(name: str, instead: str) -> ModuleNotFoundError:
    """What importing the module `name` raises."""
    was = name.replace("zaffre", "azureml", 1)
    return ModuleNotFoundError(f"{was} has no counterpart here, so there is no {name}. {instead}", name=name)


class _Absent(type):
    """A class that can be imported and asked for by isinstance; every use of it says what to use."""

    said: str
    instead: str

    def __getattr__(cls, name: str) -> "Callable[..., Any]":
        if name.startswith("__"):
            raise AttributeError(name)
        return cls._refuse

    def __call__(cls, *_: Any, **__: Any) -> Any:
        return cls._refuse()

    def _refuse(cls, *_: Any, **__: Any) -> Any:
        raise UserErrorException(cls.said, hint=cls.instead)


def absent_class(name: str, said: str, instead: str) -> Any:
    """A class of this name; calling it or anything of it raises UserErrorException."""
    return _Absent(name, (), {"said": said, "instead": instead, "__doc__": f"{said} {instead}"})
