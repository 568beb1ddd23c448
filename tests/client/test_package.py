"""The distribution as a whole: quick to import, at home on every supported Python, complete in its names."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import zaffre
from zaffre import protocol

PACKAGE = Path(zaffre.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))


def loaded_by(statement: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after it, and not before."""
    code = f"import sys; before = set(sys.modules)\n{statement}\nprint(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    return set(done.stdout.splitlines()[-1].split())


def test_importing_zaffre_loads_nothing_else():
    assert {name for name in loaded_by("import zaffre") if not name.startswith("zaffre")} == set()


def test_importing_run_loads_neither_http_nor_patterns():
    heavy = {
        "urllib3",
        "pathspec",
        "asyncio",
        "ssl",
        "http.client",
        "numpy",
        "celery",
        "subprocess",
        "concurrent.futures",
    }
    assert not loaded_by("from zaffre.core import Run") & heavy


def test_a_script_outside_of_the_studio_never_needs_http():
    assert "urllib3" not in loaded_by("from zaffre.core import Run; Run.get_context().log('a', 1)")


#: The import paths of the Azure ML SDK v1 that exist here, with the root's name changed.
PLACES = """
zaffre.core: Workspace Experiment Run ScriptRunConfig Environment Dataset Model ComputeTarget RunConfiguration VERSION
zaffre.core.workspace: Workspace
zaffre.core.experiment: Experiment
zaffre.core.run: Run
zaffre.core.script_run_config: ScriptRunConfig
zaffre.core.dataset: Dataset
zaffre.core.compute: ComputeTarget AmlCompute ComputeInstance
zaffre.core.compute_target: ComputeTargetException
zaffre.core.environment: Environment CondaDependencies
zaffre.core.conda_dependencies: CondaDependencies
zaffre.core.runconfig: RunConfiguration CondaDependencies DockerConfiguration DEFAULT_CPU_IMAGE DEFAULT_GPU_IMAGE
zaffre.core.model: Model InferenceConfig
zaffre.core.webservice: Webservice
zaffre.data.dataset_consumption_config: DatasetConsumptionConfig
zaffre.data: OutputFileDatasetConfig
zaffre.exceptions: UserErrorException ActivityFailedException ComputeTargetException WebserviceException
"""


@pytest.mark.parametrize("line", PLACES.strip().splitlines())
def test_the_names_are_where_scripts_import_them_from(line):
    module, _, names = line.partition(":")
    found = importlib.import_module(module)
    assert [name for name in names.split() if not hasattr(found, name)] == []


def test_a_name_that_does_not_exist_does_not_pretend():
    import zaffre.core

    with pytest.raises(AttributeError):
        _ = zaffre.core.Datascore
    with pytest.raises(ImportError):
        importlib.import_module("zaffre.pipeline")


def test_versions_agree():
    told = (PACKAGE.parent.parent / "pyproject.toml").read_text()
    assert f'version = "{zaffre.__version__}"' in told
    assert zaffre.__version__ == protocol.VERSION


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_file_is_python_3_9(path):
    tree = ast.parse(path.read_text(), feature_version=(3, 9))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    newer = {"zip": {"strict"}, "dataclass": {"slots", "kw_only"}}
    later = [node.lineno for node in calls if {word.arg for word in node.keywords} & newer.get(node.func.id, set())]
    assert later == [], "zip(strict=) and dataclass(slots=, kw_only=) came with 3.10"
    future = any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in tree.body)
    if not future:
        annotations = [node for node in ast.walk(tree) if isinstance(node, (ast.arg, ast.AnnAssign, ast.FunctionDef))]
        assert not any(getattr(node, "annotation", None) or getattr(node, "returns", None) for node in annotations)


NEW_MODULES = {"tomllib", "typing_extensions"}
NEW_NAMES = {"typing": {"Self", "TypeAlias", "ParamSpec", "override", "assert_never", "LiteralString", "NotRequired"},
             "enum": {"StrEnum"}, "datetime": {"UTC"}, "itertools": {"pairwise", "batched"}}  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_file_imports_what_python_3_9_lacks(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.module not in NEW_MODULES
            assert not {alias.name for alias in node.names} & NEW_NAMES.get(node.module or "", set())
        elif isinstance(node, ast.Import):
            assert not {alias.name for alias in node.names} & NEW_MODULES


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_union_is_made_at_run_time(path):
    """`X | Y` of types outside of annotations needs 3.10; in ours, `|` is for numbers and sets only."""
    types = {"str", "int", "float", "bytes", "bool", "None", "dict", "list", "Path", "Any"}

    def names(node):
        named = isinstance(node, ast.Name) and node.id in types
        return named or (isinstance(node, ast.Constant) and node.value is None)

    tree = ast.parse(path.read_text())
    inside = {id(sub) for node in ast.walk(tree) for part in ("annotation", "returns")
              if getattr(node, part, None) is not None for sub in ast.walk(getattr(node, part))}  # fmt: skip
    found = [node.lineno for node in ast.walk(tree)
             if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr) and id(node) not in inside
             and (names(node.left) or names(node.right))]  # fmt: skip
    assert found == []
