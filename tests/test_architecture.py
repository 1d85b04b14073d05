"""Who may import whom, and a few habits of the house, read off the syntax trees: nothing is run here but `--help`."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "src" / "headstart"
LONGEST_FILE = 400

BASE = ("errors", "protocols", "events", "registry", "runtime", "files")
"""Each may import those before it; anyone may import them."""
PURE = ("solvers", "prove")
"""They import `errors` and each other; anyone may import them."""
FLOW = (("data", "models"), ("features",), ("tasks",), ("choose",), ("adapt",), ("checks",))
"""Each may import what comes before it; those in one pair of brackets never meet."""
RUN = ("log", "run")
"""They implement the protocols: the base, and each other."""
WIRING = (
    "options", "predicted", "predicted_tags", "concepts", "evidence_errors", "evidence_spans", "evidence_language", "evidence_tags", "evidence", "worth", "continued", "forgetting", "saving", "model", "choosing", "sampled", "outers", "rank_record", "pipeline", "ranker",
    "estimators",
)  # fmt: skip
"""They put flow, run and report together."""
REPORT = ("report",)
"""It reads results."""
EDGES = (
    "terminal",
    "doctor",
    "cli_errors",
    "cli_options",
    "cli_parts",
    "cli_choose",
    "cli_concepts",
    "cli_pretrain",
    "cli_ask",
    "cli_generate",
    "cli",
    "__main__",
    "export",
    "serve",
)
"""Nothing but an edge imports them."""

PUBLIC_API = {
    "headstart",
    "headstart.adapt.pretraining.job",
    "headstart.concepts",
    "headstart.data.check",
    "headstart.data.options",
    "headstart.data.read",
    "headstart.model",
    "headstart.models.card",
    "headstart.models.catalogue",
    "headstart.models.hub",
    "headstart.models.minilm",
    "headstart.models.resolve",
    "headstart.options",
    "headstart.pipeline",
    "headstart.ranker",
}
"""What an edge may import besides the base, `run`, `report` and other edges: what is public, and what describes it.

Nothing of how it is done: an edge that needs the search or a strategy wants something that `fit` should give.
"""

OUTSIDE_PURE = {"datetime", "io", "logging", "os", "pathlib", "random", "shutil", "subprocess", "tempfile", "time"}
"""Files, clock, randomness and printing have no place in the pure modules."""
SEEDING = {
    "manual_seed",
    "manual_seed_all",
    "set_rng_state",
    "seed_all",
    "use_deterministic_algorithms",
    "set_deterministic_debug_mode",
}
HEAVY = {"torch", "torchvision", "timm", "transformers", "sklearn", "scipy", "matplotlib", "pyarrow"}
LIGHT_FILES = (
    "__init__.py", "cli.py", "cli_choose.py", "cli_concepts.py", "cli_errors.py", "cli_generate.py", "cli_ask.py", "cli_options.py", "cli_parts.py", "cli_pretrain.py",
)  # fmt: skip
"""They must not load anything heavy when they are imported."""


@dataclass(frozen=True, slots=True)
class Import:
    """One imported module, where it stands, and whether it is imported together with its file."""

    module: str
    where: str
    at_once: bool


@cache
def files() -> dict[str, tuple[Path, ast.Module]]:
    """Every file of the package with its syntax tree, by dotted name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
        found[name] = (path, ast.parse(path.read_text(encoding="utf-8")))
    return found


def where(path: Path, node: ast.AST) -> str:
    """The place of a node for people."""
    return f"{path.relative_to(PACKAGE.parent.parent)}:{getattr(node, 'lineno', 1)}"


def imports(name: str) -> Iterator[Import]:
    """All imports of a file, wherever they stand, those for type checkers included."""
    path, tree = files()[name]
    at_once = {id(node) for node in _run_on_import(tree)}
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            home = ".".join([*package.split(".")[: len(package.split(".")) - node.level + 1]]) if node.level else ""
            origin = ".".join(part for part in (home, node.module or "") if part)
            # `from headstart.report import words` imports the file words, not the package alone.
            named = [f"{origin}.{alias.name}" for alias in node.names]
            modules = [module if module in files() else origin for module in named]
        else:
            continue
        for module in dict.fromkeys(modules):
            yield Import(module, where(path, node), id(node) in at_once)


def _run_on_import(tree: ast.Module) -> Iterator[ast.AST]:
    """Nodes that are run when the file is imported: not in functions, not for type checkers."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting.extend(node.orelse)
            continue
        yield node
        waiting.extend(ast.iter_child_nodes(node))


def part(name: str) -> str:
    """The part of the house a dotted name belongs to: `headstart.data.read` → `data`, `headstart` → ``."""
    return name.split(".")[1] if "." in name else ""


def allowed() -> dict[str, set[str]]:
    """What each part may import besides itself."""
    table: dict[str, set[str]] = {name: set(BASE[:number]) for number, name in enumerate(BASE)}
    table |= {name: {"errors", *PURE} for name in PURE}
    before = {*BASE, *PURE}
    for level in FLOW:
        table |= {name: set(before) for name in level}
        before |= set(level)
    table |= {name: {*BASE, *RUN} for name in RUN}
    table |= {name: {*BASE, *PURE, "run", "model"} for name in REPORT}
    table |= {name: {*before, *RUN, *REPORT, *WIRING} for name in WIRING}
    table |= {name: {*BASE, *RUN, *REPORT, *EDGES} for name in EDGES}
    table[""] = set()
    return table


def is_allowed(importer: str, imported: str) -> bool:
    """Whether one file may import another."""
    source, target = part(importer), part(imported)
    if source == target or target in allowed().get(source, ()):
        return True
    return source in EDGES and imported in PUBLIC_API


def test_every_file_has_its_place() -> None:
    unknown = sorted({part(name) for name in files()} - set(allowed()))
    assert not unknown, f"say in tests/test_architecture.py where {unknown} belong"


def test_imports_flow_in_one_direction() -> None:
    wrong = [
        f"{found.where}: {name} imports {found.module}"
        for name in files()
        if name != "headstart"
        for found in imports(name)
        if found.module.split(".")[0] == "headstart" and not is_allowed(name, found.module)
    ]
    assert not wrong, "\n".join(wrong)


def test_the_front_door_imports_on_demand_only() -> None:
    eager = [found.where for found in imports("headstart") if found.at_once and found.module.startswith("headstart")]
    assert not eager


def test_pure_modules_stay_pure() -> None:
    wrong = [
        f"{found.where}: {found.module}"
        for name in files()
        if part(name) in PURE
        for found in imports(name)
        if found.module.split(".")[0] in OUTSIDE_PURE
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", LIGHT_FILES)
def test_light_files_import_nothing_heavy(name: str) -> None:
    dotted = "headstart" if name == "__init__.py" else f"headstart.{name.removesuffix('.py')}"
    heavy = [found.where for found in imports(dotted) if found.at_once and found.module.split(".")[0] in HEAVY]
    assert not heavy


def test_help_does_not_load_torch() -> None:
    code = (
        "import sys, headstart.cli\n"
        "try:\n"
        "    sys.argv = ['headstart', '--help']\n"
        "    headstart.cli.main()\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end.code\n"
        f"loaded = {sorted(HEAVY)!r}\n"
        "assert not [name for name in loaded if name in sys.modules], [n for n in loaded if n in sys.modules]\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "fit" in done.stdout


def test_seeds_are_set_in_one_place_only() -> None:
    wrong = []
    for path, tree in _others("headstart.runtime"):
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            owner = ast.unparse(node.func.value)
            if node.func.attr in SEEDING or (
                node.func.attr == "seed" and owner in ("random", "np.random", "numpy.random")
            ):
                wrong.append(f"{where(path, node)}: {ast.unparse(node.func)}")
    assert not wrong, "\n".join(wrong)


def test_randomness_is_handed_in() -> None:
    """Numbers from Python's and numpy's global generators, or from a generator without a seed, repeat for nobody."""
    wrong = []
    for path, tree in _others("headstart.runtime"):
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            owner, name = ast.unparse(node.func.value), node.func.attr
            unseeded = name == "default_rng" and not node.args and not node.keywords
            if unseeded or owner == "random" or (owner in ("np.random", "numpy.random") and name != "default_rng"):
                wrong.append(f"{where(path, node)}: {ast.unparse(node.func)}")
    assert not wrong, "\n".join(wrong)


def test_nothing_unpickles_freely() -> None:
    """torch.load only with weights_only=True; pickle, joblib and dill load nothing; numpy takes no objects."""
    wrong = []
    for path, tree in files().values():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func)
            given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            free = (
                (name == "torch.load" and given.get("weights_only") != "True")
                or name.split(".")[0] in ("pickle", "joblib", "dill", "cloudpickle")
                or given.get("allow_pickle", "False") != "False"
                or given.get("trust_remote_code", "False") != "False"
            )
            if free:
                wrong.append(f"{where(path, node)}: {name}")
    assert not wrong, "\n".join(wrong)


def test_the_library_does_not_print() -> None:
    """Only an edge does, and the `main` of a file that is a command itself (`python -m headstart.models.convert`)."""
    wrong = [
        where(path, node)
        for name, (path, tree) in files().items()
        if part(name) not in EDGES
        for node in ast.walk(_without_command(tree))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("print", "input")
    ]
    assert not wrong, "\n".join(wrong)


def test_no_error_is_swallowed() -> None:
    """An `except` that does nothing hides a fault; `contextlib.suppress` at least names what is meant to be let go."""
    wrong = []
    for path, tree in files().values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ExceptHandler):
                silent = all(
                    isinstance(step, ast.Pass) or (isinstance(step, ast.Expr) and isinstance(step.value, ast.Constant))
                    for step in node.body
                )
                if silent or node.type is None:
                    wrong.append(where(path, node))
    assert not wrong, "\n".join(wrong)


def test_files_stay_short() -> None:
    long = {
        str(path.relative_to(PACKAGE)): lines
        for path, _ in files().values()
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST_FILE
    }
    assert not long


def _without_command(tree: ast.Module) -> ast.Module:
    is_command = any(isinstance(node, ast.If) and "__main__" in ast.unparse(node.test) for node in tree.body)
    kept = [
        node for node in tree.body if not (is_command and isinstance(node, ast.FunctionDef) and node.name == "main")
    ]
    return ast.Module(body=kept, type_ignores=[])


def _others(*names: str) -> Iterator[tuple[Path, ast.Module]]:
    return (value for name, value in files().items() if name not in names)
