"""Names and shapes that cross the border between the studio and its clients and nodes.

Both sides import this module and nothing else of each other, so it stays free of everything but
the standard library, and of behaviour. Times on the wire are ISO 8601 in UTC, durations are
seconds, sizes are bytes, hashes are lower-case SHA-256 in hexadecimal.
"""

from __future__ import annotations

import re
from typing import Any, Dict, List, Optional, TypedDict

VERSION = "0.1.0"
#: Sent by every client as ``Zaffre-Protocol``; a studio that cannot serve it answers 426.
PROTOCOL = 1

# --- headers -------------------------------------------------------------------------------
PROTOCOL_HEADER = "Zaffre-Protocol"
IDEMPOTENCY_HEADER = "Idempotency-Key"
LOG_OFFSET_HEADER = "X-Log-Offset"
LOG_LENGTH_HEADER = "X-Log-Length"
LOG_COMPLETE_HEADER = "X-Log-Complete"
#: Bytes of the log that are not kept, and the offset at which they begin; both only when there are some.
LOG_ELIDED_HEADER = "X-Log-Elided"
LOG_HEAD_HEADER = "X-Log-Head"
#: From a sender: what lies between the held length and this piece is lost for good, and may be left out.
LOG_SKIP_HEADER = "X-Log-Skip"
#: With a piece: when and by which stream it was written, as `<bytes>.<ms>.<stream>` for each change, the first two
#: counted from the change before (at first from the piece's beginning and from 1970; 0 ms in all = unknown). What
#: cannot be read is left out and never refused. Streams: 0 = unknown or the node itself, 1 = output, 2 = errors.
LOG_MARKS_HEADER = "X-Log-Marks"
#: To a sender: seconds to wait before the next piece.
NEXT_IN_HEADER = "X-Next-In"
RUN_STATUS_HEADER = "X-Run-Status"
DESIRED_HEADER = "X-Desired"

# --- limits --------------------------------------------------------------------------------
MAX_POINTS_PER_BATCH = 1000
MAX_ITEMS_PER_BATCH = 250
MAX_ROWS_PER_BATCH = 250
MAX_COLUMNS = 15
MAX_COLUMN_NAME = 255
MAX_CELL = 1000
MAX_TEXT_VALUE = 8000
MAX_LOG_CHUNK = 256 * 1024
#: A large file is sent in parts of this size; from UPLOAD_FROM_BYTES on it is worth the calls.
UPLOAD_PART_BYTES = 8 * 1024 * 1024
UPLOAD_FROM_BYTES = 64 * 1024 * 1024
#: Files smaller than PACK_BELOW travel together, in packs of at most so many bytes and files.
PACK_BELOW = 64 * 1024
MAX_PACK_BYTES = 4 * 1024 * 1024
MAX_PACK_FILES = 1000
MAX_SNAPSHOT_BYTES = 300 * 1024 * 1024
MAX_SNAPSHOT_FILES = 2000
#: The first of these that lies in a folder says which of its files are code, alone.
IGNORE_FILES = (".zaffreignore", ".amlignore", ".gitignore")
#: Never code, whatever the ignore file says.
ALWAYS_OUT = frozenset(
    {
        ".git", ".hg", ".svn", ".venv", "__pycache__", ".ipynb_checkpoints", ".mypy_cache", ".pytest_cache",
        ".ruff_cache", ".tox", ".nox", ".DS_Store", "node_modules",
    }
)  # fmt: skip
MAX_HASHES_PER_QUESTION = 5000
#: The code of a refusal of files whose bytes the workspace does not hold.
BLOBS_MISSING = "blobs_missing"
MAX_JSON_BODY = 1024 * 1024
MAX_METRIC_KEY = 250
MAX_SCORE_BODY = 1024 * 1024

# --- names ---------------------------------------------------------------------------------
#: What a dataset, model, environment, compute target or endpoint may be called.
NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
SLUG_PATTERN = r"[a-z0-9][a-z0-9-]{1,31}"
SHA256_PATTERN = r"[0-9a-f]{64}"
RUN_ID_PATTERN = r"[0-9A-HJKMNP-TV-Z]{26}"
NAME_RE = re.compile(NAME_PATTERN + r"\Z")
SLUG_RE = re.compile(SLUG_PATTERN + r"\Z")
SHA256_RE = re.compile(SHA256_PATTERN + r"\Z")

# --- what a run logs besides numbers --------------------------------------------------------
ROW, TABLE, TEXT, IMAGE = "row", "table", "text", "image"
CONFUSION_MATRIX, ACCURACY_TABLE = "confusion_matrix", "accuracy_table"
RESIDUALS, PREDICTIONS = "residuals", "predictions"
DOCUMENT_KINDS = (CONFUSION_MATRIX, ACCURACY_TABLE, RESIDUALS, PREDICTIONS)
ITEM_KINDS = (TEXT, ROW, TABLE, IMAGE, *DOCUMENT_KINDS)
#: Series that the node samples, and MLflow's client, about the machine and not about the model.
SYSTEM_PREFIX = "system/"

# --- tokens: zaf_<kind>_<id>_<secret>_<crc> ---------------------------------------------------
TOKEN_PREFIX = "zaf"  # noqa: S105 - the beginning of every token, not one
TOKEN_KINDS = ("pat", "run", "node", "reg", "ept")

# --- run states ------------------------------------------------------------------------------
NOT_STARTED = "not_started"
QUEUED = "queued"
STARTING = "starting"
PREPARING = "preparing"
RUNNING = "running"
FINALIZING = "finalizing"
CANCEL_REQUESTED = "cancel_requested"
COMPLETED = "completed"
FAILED = "failed"
CANCELED = "canceled"
FINAL_STATES = (COMPLETED, FAILED, CANCELED)
#: States in which an attempt holds a lease.
HELD_STATES = (STARTING, PREPARING, RUNNING, FINALIZING, CANCEL_REQUESTED)

DESIRED_RUN = "run"
DESIRED_CANCEL = "cancel"
#: The attempt lost its right to run: stop the code now and report nothing.
DESIRED_KILL = "kill"

#: Steps of an attempt in their order, as progress reports and pages name them.
STEPS = ("queued", "snapshot", "environment", "data", "running", "outputs")

# --- Celery messages to a pool's queue: hints, never orders ------------------------------------
WAKE_TASK = "zaffre.wake"  # args: run id, attempt, ticket
SYNC_TASK = "zaffre.sync"  # no args

# --- runs of many processes ----------------------------------------------------------------------
DISTRIBUTIONS = ("pytorch", "mpi", "tensorflow", "multiprocess")
BACKENDS = ("nccl", "gloo")

# --- environment variables of a run ------------------------------------------------------------
ENV_URL = "ZAFFRE_URL"
ENV_TOKEN = "ZAFFRE_TOKEN"  # noqa: S105 - the name of a variable
ENV_WORKSPACE = "ZAFFRE_WORKSPACE"
ENV_RUN_ID = "ZAFFRE_RUN_ID"
ENV_RUN_TOKEN = "ZAFFRE_RUN_TOKEN"  # noqa: S105 - the name of a variable
ENV_EXPERIMENT = "ZAFFRE_EXPERIMENT"
ENV_ATTEMPT = "ZAFFRE_ATTEMPT"
ENV_SPOOL = "ZAFFRE_SPOOL"
ENV_INPUT_PREFIX = "ZAFFRE_INPUT_"
ENV_SECRET_PREFIX = "ZAFFRE_SECRET_"  # noqa: S105 - the beginning of names
#: A word or variable of a run's config that is this and the name of an input becomes the path of its folder.
INPUT_WORD = "DatasetConsumptionConfig:"
#: The same with the name of an output: the path of a folder of outputs/, which is there when the script starts.
OUTPUT_WORD = "OutputFileDatasetConfig:"
OUTPUT_NAME_RE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}\Z")

# --- paths ---------------------------------------------------------------------------------------
API = "/api/v1"
AGENT = "/agent/v1"


class FileEntry(TypedDict, total=False):
    """One file of a manifest. `path` is relative, with `/`, without `.` or `..` parts."""

    path: str
    sha256: str
    size: int
    mode: int


class ErrorBody(TypedDict, total=False):
    """The value of `error` in every answer that is not 2xx."""

    code: str
    message: str
    hint: Optional[str]
    details: Dict[str, Any]


class InputSpec(TypedDict, total=False):
    dataset: str  # "name" or "name:version"
    mode: str  # download | mount


class DistributionSpec(TypedDict, total=False):
    """How the processes of a run belong together: who launches them, and what they are told of each other."""

    kind: str  # one of DISTRIBUTIONS
    processes_per_node: int
    backend: str  # nccl | gloo, of pytorch
    parameter_servers: int  # of tensorflow: the last of its nodes


class HistorySpec(TypedDict, total=False):
    """What is kept of a run's folder."""

    output_collection: bool
    directories_to_watch: List[str]


class ResourcesSpec(TypedDict, total=False):
    """What a run needs of its node, where it says so; else it takes one of the node's slots."""

    cpus: float
    memory_gb: float
    gpus: int
    labels: Dict[str, str]


class LimitsSpec(TypedDict, total=False):
    """What an attempt may use of its node. A key that is missing limits nothing; `gpus` 0 means that none is seen."""

    cpus: float
    memory_mb: int
    gpus: int


class RunConfigBody(TypedDict, total=False):
    script: Optional[str]
    command: Optional[List[str]]
    arguments: List[str]
    target: str
    environment: str
    environment_variables: Dict[str, str]
    inputs: Dict[str, InputSpec]
    max_duration_seconds: Optional[int]
    max_retries: int
    secrets: List[str]  # "VARIABLE=name"; of a name alone the studio makes ENV_SECRET_PREFIX and the name in capitals
    max_user_retries: int
    node_count: int
    distribution: DistributionSpec
    history: HistorySpec
    resources: ResourcesSpec
    priority: int  # -100 to 100; the higher one starts first


class EnvironmentSpec(TypedDict, total=False):
    kind: str  # system | pip | conda | interpreter | docker
    #: 3.11, or a range such as >=3.10.
    python: Optional[str]
    #: Of a range, told to nodes only: the minor versions that fit, the lowest first; that one is `python` then.
    pythons: List[str]
    requirements: List[str]
    #: Of conda, as they were written; `requirements` holds what they became for pip.
    channels: List[str]
    dependencies: List[str]
    #: A Python on the node, or in the container.
    interpreter: str
    #: Of docker: one of them.
    image: str
    dockerfile: str
    variables: Dict[str, str]
    #: What runs that use it should know; written by the studio.
    warnings: List[str]


class LockRef(TypedDict, total=False):
    """Names what a version was resolved to; nodes fetch the text by its hash."""

    python: str  # 3.11
    platform: str  # any, or one such as linux-x86_64
    sha256: str


class BuildSpec(TypedDict, total=False):
    """An environment that a node should make although no run needs it yet."""

    id: str
    environment: Dict[str, Any]  # as in RunSpec
    again: bool
    cancel: bool


class RunSpec(TypedDict, total=False):
    """What a claim hands to a node: all it needs to run one attempt."""

    run: str
    attempt: int
    token: str
    valid_for: float
    workspace: str
    experiment: str
    name: str
    config: RunConfigBody
    snapshot: Dict[str, Any]  # id, files
    environment: Dict[str, Any]  # id, name, version, spec, lock: [LockRef]
    inputs: Dict[str, Any]  # name -> {dataset, version, files, single_file}
    desired: str
    secrets: Dict[str, str]  # name -> value, of those that the config names: never written into a log
    limits: LimitsSpec
    seat: Dict[str, int]  # rank of the node among the node_count of the run; absent for a run on one node
    log: Dict[str, int]  # head, tail: how many bytes of the beginning and of the end are kept
    finish: bool  # the studio takes the end of the log, the files and the result in one call


class ReplicaSpec(TypedDict, total=False):
    """One copy of a deployment that a node should keep alive."""

    id: str
    endpoint: str
    deployment: str
    workspace: str
    model: Dict[str, Any]  # name, version, files
    code: Dict[str, Any]  # snapshot, files
    entry_script: str
    environment: Dict[str, Any]


class BoardSpec(TypedDict, total=False):
    """One TensorBoard that a node should keep alive; it asks for the event files by itself."""

    id: str
    workspace: str
    title: str
    environment: Dict[str, Any]


class MetricItem(TypedDict, total=False):
    """What was logged and is no number: `value` as its kind wants it."""

    key: str
    kind: str  # one of ITEM_KINDS
    value: Any
    step: Optional[int]
    time: int
    description: str


class MetricBatch(TypedDict, total=False):
    """`points` are [key, value, step, time in ms since 1970]; `batch` makes a repeat harmless."""

    batch: str
    points: List[List[Any]]
    items: List[MetricItem]
    descriptions: Dict[str, str]
    params: Dict[str, str]
    tags: Dict[str, str]
