"""One registry of everything that can go wrong: code → outcome, retry, exit code, HTTP status, words, docs page.

Standard library only: the command line reads it. The texts are for users: what happened and what to do. The
page of each code is ``docs/errors/<code>.md`` (generated index ``docs/reference/errors.md``).
"""

from __future__ import annotations

from typing import NamedTuple

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_NO_DAEMON = 3
EXIT_NOT_PERMITTED = 4
EXIT_NOT_FOUND = 5
EXIT_CONFLICT = 6
EXIT_REFUSED = 7
EXIT_TIMEOUT = 8
EXIT_JOB_FAILED = 10
EXIT_JOB_CANCELLED = 11
EXIT_JOB_INTERRUPTED = 12
EXIT_TEMPORARY = 75
EXIT_CONFIG = 78
EXIT_SIGINT = 130

OUTCOME_EXIT = {
    "succeeded": EXIT_OK,
    "failed": EXIT_JOB_FAILED,
    "timed_out": EXIT_JOB_FAILED,
    "no_capacity": EXIT_JOB_FAILED,
    "cancelled": EXIT_JOB_CANCELLED,
    "interrupted": EXIT_JOB_INTERRUPTED,
    "lost": EXIT_JOB_INTERRUPTED,
    "refused": EXIT_REFUSED,
    "over_budget": EXIT_REFUSED,
}
"""Exit code of ``train`` and ``wait`` for each outcome."""


class ErrorCode(NamedTuple):
    """One thing that can go wrong."""

    code: str
    text: str
    """What happened, one sentence without a full stop."""
    hint: str
    """What to do next."""
    outcome: str | None = None
    """Job outcome, where the code ends a job."""
    retry: bool = False
    """Whether the same request can succeed later without a change."""
    exit: int = EXIT_FAILED
    status: int = 400
    alarm: str | None = None
    """The alarm that it explains, where it is no answer to anything: it has no exit code and no status then."""
    money: str | None = None
    """Whether money runs, where that does not follow from the rest."""

    @property
    def docs(self) -> str:
        """Path of the page about this code, inside the repository and the wheel."""
        return f"docs/errors/{self.code}.md"


_ALL = (
    # --- data, refused before any money is spent
    ErrorCode("E-CSV-EMPTY", "The file has no content", "Save the table as CSV again and send that file", status=422),
    ErrorCode(
        "E-CSV-HEADER",
        "The first line does not name the columns",
        "Begin the table with one line of names, each of them once",
        status=422,
    ),
    ErrorCode("E-CSV-TARGET", "The target column is not in the file", "Choose one of the file's columns", status=422),
    ErrorCode(
        "E-CSV-ONECLASS",
        "The target column has a single value, so there is nothing to learn",
        "Choose another target or add rows with other values",
        status=422,
    ),
    ErrorCode(
        "E-CSV-ALLMISSING",
        "A column has no value in any row",
        "Remove the column or leave it out with --features",
        status=422,
    ),
    ErrorCode(
        "E-CSV-ROWS",
        "The file has too few rows to train on",
        "Send at least 10 rows with a target value",
        status=422,
    ),
    ErrorCode(
        "E-CSV-DELIMITER",
        "The columns could not be told apart",
        "Save the file with commas, semicolons, tabs or | between the columns",
        status=422,
    ),
    ErrorCode(
        "E-CSV-BINARY",
        "The file does not hold a table of single values",
        "Export the table as CSV (UTF-8) and send that file",
        status=422,
    ),
    ErrorCode(
        "E-CSV-COLUMNS",
        "The file has more columns than can be trained on",
        "Keep the columns that matter, at most 5,000",
        status=422,
    ),
    ErrorCode(
        "E-CSV-RAGGED",
        "A line is no row of the table",
        "Repair that line and send the file again",
        status=422,
    ),
    ErrorCode(
        "E-CSV-SCHEMA",
        "The file does not fit the model's columns",
        "Send the columns the model was trained on",
        status=422,
    ),
    ErrorCode(
        "E-CSV-ARCHIVE",
        "The archive, workbook or Parquet file cannot be read, or holds no single table",
        "Send one table in it, without a password, or the CSV itself",
        status=422,
    ),
    ErrorCode(
        "E-CSV-BOMB",
        "The file holds more than may be unpacked",
        "Send fewer rows or columns, or the CSV itself",
        status=422,
    ),
    ErrorCode(
        "E-CSV-LIBRARY",
        "This computer has no library for this kind of file",
        "Send the table as CSV, or install lastcall[train] where the daemon runs",
        status=422,
    ),
    ErrorCode("E-CSV-TIMEOUT", "Looking at the file took too long", "Send a smaller file", status=422),
    ErrorCode(
        "E-FEATURES",
        "Nothing can be learnt from these features",
        "Name columns of the file that differ from row to row, without the target",
        status=422,
    ),
    ErrorCode(
        "E-MODEL-UNKNOWN",
        "There is no such kind of model",
        "Choose one of those that lastcall models families lists",
        status=422,
    ),
    ErrorCode(
        "E-LIBRARY",
        "The model needs a library that is not where it would run",
        "Install it where the daemon runs: pip install 'lastcall[boosters]'; in a checkout "
        ".venv/bin/pip install --require-hashes -r requirements/boosters.txt; neural_network needs the GPU image: "
        "lastcall images build --gpu",
        status=422,
    ),
    ErrorCode(
        "E-MODEL-SIZE",
        "There are too many or too few rows or columns for this kind of model",
        "Choose another model or other columns",
        status=422,
    ),
    ErrorCode(
        "E-PARAMETER",
        "A parameter does not belong to this kind of model",
        "Leave it out or use the name suggested",
        status=422,
    ),
    ErrorCode(
        "E-TASK", "The target does not fit the task or the model", "Choose another target, task or model", status=422
    ),
    ErrorCode(
        "E-SPLIT",
        "The rows cannot be split by this column",
        "Choose another column, or leave --group and --time out",
        status=422,
    ),
    # --- money
    ErrorCode(
        "E-CAPTOOSMALL",
        "The cost limit leaves too little time to start and train",
        "Raise --max-cost to at least the amount named",
        outcome="over_budget",
        exit=EXIT_REFUSED,
        status=422,
    ),
    ErrorCode(
        "E-BUDGET",
        "The budget has too little left for this job",
        "Wait for the next period, stop another job or raise the budget",
        outcome="over_budget",
        exit=EXIT_REFUSED,
        status=402,
    ),
    ErrorCode(
        "E-OVERBUDGET",
        "The job reached its cost limit and was stopped",
        "Raise --max-cost and run it again",
        outcome="over_budget",
        exit=EXIT_REFUSED,
    ),
    # --- launching
    ErrorCode(
        "E-NOCAP",
        "No machine of the kinds asked for was free",
        "Try again later or allow other machines",
        outcome="no_capacity",
        retry=True,
        exit=EXIT_JOB_FAILED,
    ),
    ErrorCode(
        "E-REFUSED",
        "The provider refused to rent a machine",
        "Check the account's rights and balance",
        outcome="refused",
        exit=EXIT_REFUSED,
    ),
    ErrorCode(
        "E-NOSTART",
        "The machine did not start the work in time",
        "Run it again; another machine may start faster",
        outcome="failed",
        retry=True,
        exit=EXIT_JOB_FAILED,
    ),
    ErrorCode(
        "E-PLATFORM",
        "This computer cannot run local machines",
        "Use Linux with /proc, or another provider",
        exit=EXIT_REFUSED,
        status=422,
    ),
    # --- on the machine
    ErrorCode(
        "E-WORK",
        "The training program failed",
        "Read the log: lastcall logs JOB",
        outcome="failed",
        exit=EXIT_JOB_FAILED,
    ),
    ErrorCode(
        "E-OOM",
        "The training ran out of memory",
        "Choose a bigger machine or fewer rows",
        outcome="failed",
        exit=EXIT_JOB_FAILED,
    ),
    ErrorCode(
        "E-MEMORY",
        "The table does not fit into the machine's memory",
        "Choose a bigger machine, fewer columns or fewer rows",
        outcome="failed",
        exit=EXIT_JOB_FAILED,
    ),
    ErrorCode(
        "E-DISK",
        "The machine's disk is full",
        "Choose a machine with more disk or a smaller file",
        outcome="failed",
        exit=EXIT_JOB_FAILED,
    ),
    ErrorCode(
        "E-NORESULT",
        "The training ended without a result",
        "Read the log: lastcall logs JOB",
        outcome="failed",
        exit=EXIT_JOB_FAILED,
    ),
    ErrorCode(
        "E-METRICS",
        "The result's metrics are not numbers",
        "Check the target column for infinite or text values",
        outcome="failed",
        exit=EXIT_JOB_FAILED,
    ),
    ErrorCode(
        "E-ARTIFACT",
        "A result file is missing or damaged",
        "Run the job again",
        outcome="failed",
        retry=True,
        exit=EXIT_JOB_FAILED,
    ),
    ErrorCode(
        "E-DOCKER",
        "Docker cannot be used on this computer",
        "Install docker and start it, or see what would be run: --dry-run",
    ),
    ErrorCode(
        "E-PREPARE",
        "The training environment could not be built",
        "Read the log: lastcall logs JOB",
        outcome="failed",
        exit=EXIT_JOB_FAILED,
    ),
    ErrorCode(
        "E-NOPYTHON",
        "The machine's image has no Python that is new enough",
        "Choose an image with Python 3.11 or newer: runpod.image in the configuration",
        outcome="failed",
        exit=EXIT_JOB_FAILED,
    ),
    ErrorCode(
        "E-STORAGE",
        "The storage refuses what the job needs",
        "Check the storage keys, the volume and the clock: lastcall doctor",
        outcome="refused",
        exit=EXIT_REFUSED,
        status=502,
    ),
    ErrorCode(
        "E-STORAGEFULL",
        "The storage has no room left",
        "Make room (lastcall data prune) or make the volume larger, then run it again",
        exit=EXIT_REFUSED,
        status=507,
    ),
    ErrorCode(
        "E-FOLDER",
        "The machine could not read its job folder",
        "Check that storage is reachable, then run it again",
        outcome="interrupted",
        retry=True,
        exit=EXIT_JOB_INTERRUPTED,
    ),
    ErrorCode(
        "E-RESTARTED",
        "The machine was restarted in the middle of the work",
        "Run the job again",
        outcome="interrupted",
        retry=True,
        exit=EXIT_JOB_INTERRUPTED,
    ),
    ErrorCode(
        "E-INTERRUPTED",
        "The machine was taken away in the middle of the work",
        "Run the job again",
        outcome="interrupted",
        retry=True,
        exit=EXIT_JOB_INTERRUPTED,
    ),
    ErrorCode(
        "E-TIMEOUT",
        "The job reached its time limit and was stopped",
        "Raise --max-runtime and run it again",
        outcome="timed_out",
        exit=EXIT_JOB_FAILED,
    ),
    ErrorCode(
        "E-CANCELLED",
        "The job was stopped on request",
        "Run it again when you want it",
        outcome="cancelled",
        exit=EXIT_JOB_CANCELLED,
    ),
    ErrorCode(
        "E-LOST",
        "Storage could not be read, so the result is not known",
        "Look into the job folder when storage is back",
        outcome="lost",
        exit=EXIT_JOB_INTERRUPTED,
    ),
    ErrorCode(
        "E-PARKED",
        "Lastcall failed to supervise this job and ended it",
        "Report the log lines of the job's actor",
        outcome="interrupted",
        exit=EXIT_JOB_INTERRUPTED,
    ),
    # --- older models
    ErrorCode(
        "E-IMPORT-UNSAFE",
        "The pickle is no model, but a program that does something else",
        "Do not load it anywhere. Ask whoever gave it to you where it comes from",
        exit=EXIT_REFUSED,
        status=422,
    ),
    ErrorCode(
        "E-IMPORT-KIND",
        "The file holds nothing that can be brought over",
        "Give a model of a kind that is taken, with --metadata or a --sample; else train the model again",
        status=422,
    ),
    ErrorCode(
        "E-IMPORT-CONFIRM",
        "Loading a pickle has to be confirmed by the model's name or the first 8 characters of its digest",
        "Run it again and type one of the two, or give it with --confirm",
        exit=EXIT_REFUSED,
        status=422,
    ),
    ErrorCode(
        "E-IMPORT-VERSION",
        "The pickle was written by a version of scikit-learn that is not here",
        "Load it where that version is, and write it again with the one here; or train the model again",
        status=422,
    ),
    ErrorCode(
        "E-IMPORT-LOAD",
        "The pickle could not be loaded",
        "See the message. Where the file is whole, train the model again",
        status=422,
    ),
    ErrorCode(
        "E-IMPORT-LIMIT",
        "Loading the pickle took more time, memory or disk than it may",
        "Do not load it elsewhere unless you know where it comes from; train the model again",
        exit=EXIT_REFUSED,
        status=422,
    ),
    ErrorCode(
        "E-IMPORT-DIFFERS",
        "The model does not answer in its new form as it did in the old one",
        "Nothing was kept. Train the model again, and please report it",
        status=422,
    ),
    # --- predictions
    ErrorCode("E-PREDICT", "The prediction program failed", "Read the message; the model and the file are kept"),
    ErrorCode(
        "E-PREDICT-LIMIT",
        "The prediction would cost more than its limit",
        "Send fewer rows or raise predictions.max_cost_usd",
        exit=EXIT_REFUSED,
        status=402,
    ),
    ErrorCode("E-MODEL-DAMAGED", "The model's files do not match their digests", "Train the model again", status=422),
    ErrorCode(
        "E-DATA-GONE",
        "The data that this job learnt from is not stored any more",
        "Add the same file again: lastcall data add FILE; then repeat the command",
        exit=EXIT_CONFLICT,
        status=409,
    ),
    # --- requests
    ErrorCode(
        "E-NOTFOUND",
        "There is no such thing, or it is not yours",
        "List what there is: lastcall ps, models ls, data ls",
        exit=EXIT_NOT_FOUND,
        status=404,
    ),
    ErrorCode(
        "E-AMBIGUOUS",
        "More than one thing has this name",
        "Use more characters of its id",
        exit=EXIT_USAGE,
        status=409,
    ),
    ErrorCode(
        "E-INUSE",
        "It is in use by a job that is not over",
        "Wait for the job or stop it first",
        exit=EXIT_CONFLICT,
        status=409,
    ),
    ErrorCode(
        "E-ELSEWHERE",
        "It lies with a provider that is not configured any more",
        "Give Lastcall that provider's keys again and restart it; provider itself may stay as it is",
        exit=EXIT_CONFLICT,
        status=409,
    ),
    ErrorCode(
        "E-FILE",
        "The file cannot be sent",
        "Name a file that you may read and that nobody writes to meanwhile",
        exit=EXIT_USAGE,
        status=400,
    ),
    ErrorCode("E-BADREQUEST", "The request could not be understood", "See the message", exit=EXIT_USAGE, status=400),
    ErrorCode(
        "E-IDEMPOTENCY",
        "This idempotency key was used for another request",
        "Use a new key",
        exit=EXIT_CONFLICT,
        status=422,
    ),
    ErrorCode(
        "E-FORBIDDEN",
        "You may not do this",
        "Ask the person who runs Lastcall",
        exit=EXIT_NOT_PERMITTED,
        status=403,
    ),
    ErrorCode("E-TOOLARGE", "The request is too large", "Send less at once", exit=EXIT_USAGE, status=413),
    ErrorCode("E-BUSY", "Lastcall is busy", "Try again in a moment", retry=True, exit=EXIT_TEMPORARY, status=503),
    ErrorCode(
        "E-DRAINING",
        "Lastcall is stopping and takes no new work",
        "Try again when it is back",
        retry=True,
        exit=EXIT_TEMPORARY,
        status=503,
    ),
    ErrorCode(
        "E-JOURNAL",
        "The journal cannot be written, so nothing new is started",
        "Free disk space or repair the disk; running machines are still ended",
        retry=True,
        exit=EXIT_TEMPORARY,
        status=503,
    ),
    ErrorCode(
        "E-SAFEMODE",
        "Safe mode: nothing new is started",
        "See lastcall status for the reason; unknown machines are settled with lastcall machines reconcile",
        exit=EXIT_REFUSED,
        status=503,
    ),
    ErrorCode(
        "E-LISTING",
        "The provider did not say all that exists, so nothing was decided from it",
        "Try again in a minute",
        retry=True,
        exit=EXIT_TEMPORARY,
        status=503,
    ),
    ErrorCode(
        "E-CLOCK",
        "This computer's clock is not the provider's, so no deadline can be judged by it",
        "Set the clock (date -u shows it) and ask again",
        retry=True,
        exit=EXIT_TEMPORARY,
        status=503,
    ),
    ErrorCode(
        "E-UNPROVEN",
        "A machine was told to end, and minutes later it is not proven gone",
        "Look into the provider's console: end the machine there if it shows, and see that the provider's key is valid "
        "(lastcall doctor). Lastcall goes on asking and proving for ever; the alarm ends with the proof",
        alarm="end_unproven",
        money="Count on it. The machine counts as running and billing until the provider shows that it is gone, "
        "whatever it answered to the calls that should end it.",
    ),
    ErrorCode(
        "E-UNCONFIRMED",
        "For a minute the provider has given no complete list of an account's machines while some are open there",
        "Check the provider's key, its account and whether it answers: lastcall doctor. Machines are not ended for "
        "this, and no job closes; the alarm ends with the next complete list",
        alarm="account_unconfirmed",
        money="As before: machines that were open run on and bill, and are not seen. Their own timers end them at "
        "their deadlines where that is proven for the account.",
    ),
    ErrorCode(
        "E-NOINSTALL",
        "This state directory has no install.json, so no machine can be told to be ours",
        "Name the daemon's state directory: --state-dir DIR",
        exit=EXIT_CONFIG,
        status=422,
    ),
    ErrorCode(
        "E-WAIT",
        "The job is not over yet; it goes on",
        "Wait longer: lastcall wait JOB",
        retry=True,
        exit=EXIT_TIMEOUT,
        status=408,
    ),
    ErrorCode("E-INTERNAL", "Lastcall has a fault", "Please report it with the request id", status=500),
    ErrorCode(
        "E-KEY",
        "This storage key may not be used",
        "Use names and ids as Lastcall shows them",
        exit=EXIT_NOT_PERMITTED,
        status=403,
    ),
    # --- daemon and configuration
    ErrorCode("E-NODAEMON", "Lastcall is not running", "Start it: lastcall daemon", exit=EXIT_NO_DAEMON, status=503),
    ErrorCode(
        "E-LOCKED",
        "Another Lastcall already uses this state directory",
        "Stop it, or choose another LASTCALL_STATE_DIR",
        exit=EXIT_CONFLICT,
        status=409,
    ),
    ErrorCode(
        "E-CONFIG",
        "The configuration is not valid",
        "Correct the setting named",
        exit=EXIT_CONFIG,
        status=500,
    ),
    ErrorCode(
        "E-BOUND",
        "Open jobs are bound to a provider that is not configured any more",
        "Give Lastcall that provider's keys again: its jobs go on, new ones go where provider says",
        exit=EXIT_CONFIG,
        status=500,
    ),
    ErrorCode(
        "E-SOCKETPATH",
        "The socket path is too long for the system",
        "Choose a shorter LASTCALL_STATE_DIR or LASTCALL_HOST",
        exit=EXIT_CONFIG,
        status=500,
    ),
)

ERRORS: dict[str, ErrorCode] = {e.code: e for e in _ALL}
"""Every code."""


def error(code: str) -> ErrorCode:
    """Return the entry of ``code``; a code that is not registered is a fault of ours and reads as E-INTERNAL."""
    return ERRORS.get(code, ERRORS["E-INTERNAL"])


class Refusal(Exception):
    """A request that is answered with a registered code; ``detail`` says what about this one request."""

    def __init__(self, code: str, detail: str = "", **extra: str) -> None:
        self.code = code
        self.detail = detail
        self.extra = extra
        entry = error(code)
        super().__init__(f"{code}: {detail or entry.text}")
