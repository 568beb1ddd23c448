"""What the browser takes for code is what the client takes: the same folders, judged by both."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stack.running import ROOT
from zaffre.protocol import ALWAYS_OUT, IGNORE_FILES
from zaffre.snapshot import list_folder

NODE = Path(sys.prefix) / "bin" / "node"
#: Reads {path: text}, says which paths are kept.
PROGRAM = """
import { choose } from "%s";
let text = "";
for await (const piece of process.stdin) text += piece;
const { files, names, out } = JSON.parse(text);
const found = await choose(Object.keys(files).sort(), { names, out: new Set(out), read: async (path) => files[path] });
console.log(JSON.stringify(found));
"""
PLAIN = [
    "train.py",
    "a.log",
    "keep.log",
    "data/big.bin",
    "data/keep.csv",
    "build/x",
    "lib/build/y",
    "lib/z.log",
    "b/c/d",
]
FOLDERS = {
    "no rules": {},
    "git's examples": {
        ".gitignore": "# no\n*.log\n!keep.log\n/build/\ndata/*\n!data/keep.csv\n",
        "lib/.gitignore": "!z.log",
    },
    "stars": {".gitignore": "**/build\nb/**\n**/z.*\n"},
    "in the middle": {".zaffreignore": "b/**/d\nlib/*/y\n"},
    "a question mark and ranges": {".amlignore": "?.log\n[!a-k]rain.py\nb[/]c\n"},
    "escapes and blanks": {".gitignore": "a\\.log  \n\\#x\n\\!y\nodd\\ \n", "#x": "", "!y": "", "odd ": ""},
    "a folder that is out keeps what is in it out": {".gitignore": "data/\n!data/keep.csv\n"},
    "only one kind counts": {".zaffreignore": "*.bin\n", ".gitignore": "train.py\n", "lib/.gitignore": "*\n"},
    "deeper rules count more": {".gitignore": "*.log\n", "lib/.gitignore": "!z.log\nbuild\n"},
    "rules in a folder that is out": {".gitignore": "lib\n", "lib/.gitignore": "!z.log\n"},
    "never code": {
        ".git/config": "",
        "x/__pycache__/a.pyc": "",
        "node_modules/y/z.js": "",
        ".DS_Store": "",
        "v/.venv/q": "",
    },
    "an environment of any name": {"mine/pyvenv.cfg": "", "mine/lib/site.py": "", ".gitignore": "!mine\n"},
    "with returns of Windows": {".gitignore": "\ufeff*.log\r\n!keep.log\r\n"},
    "characters of expressions": {
        ".gitignore": "a+b(c).py\n{x}\n^y$\n",
        "a+b(c).py": "",
        "{x}": "",
        "^y$": "",
        "aab.py": "",
    },
}


@pytest.mark.parametrize("name", FOLDERS)
def test_the_browser_leaves_out_what_the_client_does(tmp_path, name):
    if not NODE.exists():
        pytest.skip("Node is installed by the set-up (make up).")
    files = dict.fromkeys(PLAIN, "x") | FOLDERS[name]
    for path, text in files.items():
        place = tmp_path / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text.encode())
    asked = json.dumps({"files": files, "names": IGNORE_FILES, "out": sorted(ALWAYS_OUT)})
    program = PROGRAM % (ROOT / "static/src/elements/code-rules.js").as_uri()
    words = [NODE, "--input-type=module", "--eval", program]
    told = json.loads(subprocess.run(words, input=asked, capture_output=True, text=True, check=True, timeout=60).stdout)
    assert sorted(told["kept"]) == [file.path for file in list_folder(tmp_path).files]
    gone = set(files) - set(told["kept"])
    assert all(any(path == one or path.startswith(one) for one in told["left"]) for path in gone), "each is named"
