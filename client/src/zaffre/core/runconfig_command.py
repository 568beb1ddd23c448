"""The command of a run configuration: words that are executed, or a text that a shell reads."""

from __future__ import annotations

import re
import shlex
from typing import Any, Callable, Dict, List, Sequence, Tuple, Union

from zaffre.data.dataset_consumption_config import DatasetConsumptionConfig
from zaffre.data.output_dataset_config import OutputFileDatasetConfig

#: A text with any of these, or one that begins by setting a variable, means what a shell makes of it.
_FOR_A_SHELL = re.compile(r"[&|;<>$`*?(){}\[\]~#!\n]|^\s*\w+=")
_OPERATORS = ("&&", "||", "|", "|&", ";", "&", ">", ">>", "<", "2>", "2>&1", "&>")
_SHELL = ("bash", "-c")


def command_of(
    command: Union[str, Sequence[Any], None], word_of: Callable[[Any], str]
) -> Tuple[Union[List[str], None], Dict[str, str]]:
    """(the words to execute, variables that they read); `word_of` makes a word of what was given.

    A shell reads a text, and words that are pieces of one: those with `&&` and the like among them, or whose first is
    a program with its arguments. Datasets in such a text are variables, so that no path is taken apart.
    """
    if not command:
        return None, {}
    if isinstance(command, str):
        return ([*_SHELL, command] if _FOR_A_SHELL.search(command) else shlex.split(command)), {}
    if not _is_text(command):
        return [word_of(one) for one in command], {}
    pieces: List[str] = []
    variables: Dict[str, str] = {}
    for one in command:
        piece = word_of(one)
        if isinstance(one, (DatasetConsumptionConfig, OutputFileDatasetConfig)):
            name = f"ZAFFRE_PLACE_{len(variables)}"
            variables[name], piece = piece, f'"${name}"'
        pieces.append(piece)
    return [*_SHELL, " ".join(pieces)], variables


def _is_text(words: Sequence[Any]) -> bool:
    """Whether words are pieces of a text, as they are after `"a && b".split()`."""
    if len(words) == len(_SHELL) + 1 and words[1] == _SHELL[1]:
        return False  # a shell with its text, whose words are as they should be
    texts = [one for one in words if isinstance(one, str)]
    several = isinstance(words[0], str) and len(words[0].split()) > 1
    return several or any(one in _OPERATORS or one.endswith(";") for one in texts)
