"""The shape of the package: imports go down only, files and functions stay short."""

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "jitgrad"

# From the ground up. A room is a package, or a module (which may live above the rest of its
# package, or below it); rooms of one floor do not know each other.
FLOORS = (
    ("errors", "config", "locks", "topological"),
    ("bounded", "dtypes", "device"),
    ("spec", "storage", "strides"),
    ("primitive", "modes"),
    ("node",),
    ("dispatch", "waiting"),
    ("inplace", "walk"),
    ("engine", "inplace", "literals", "pickling", "printing", "return_types"),
    ("ops",),
    ("tensor", "linalg", "special", "accelerator", "backends", "cuda", "settings"),
    ("autograd", "python"),
    ("nn", "serialization", "utils", "distributions", "testing"),
    ("datasets", "func", "optim", "safetensors"),
    ("graph.ir",),
    ("kernels",),
    ("graph",),
    ("explain",),
    ("compiled",),
    ("",),  # jitgrad/__init__.py
    ("demo",),
    ("__main__",),
)

# Imports inside functions, each with the reason why it cannot stand at the top of its file.
LATE_IMPORTS = {
    ("datasets.images", "PIL"): "an optional extra, needed for images alone",
    ("demo.plot", "matplotlib"): "an optional extra, needed for --plot alone",
    ("safetensors", "safetensors"): "an optional extra, needed for its files alone",
    ("kernels.availability", "jitgrad"): "loads llvmlite, if it is there, for the first program",
    ("kernels.program", "jitgrad"): "makes what calls kernels for the first program",
    ("kernels.watches", "jitgrad"): "makes what watches for the first watch",
    ("kernels.instances", "jitgrad"): "makes what makes objects for the first ones",
    ("kernels.loops", "jitgrad"): "makes what runs loops for the first loop",
    ("kernels.cpu", "jitgrad"): "loads numba for what is not on disk",
}

# What the package may import at all, beside Python's own library and itself.
OUTSIDE = {
    "numpy": "",
    "numba": "kernels.compiler",
    "llvmlite": "kernels",
    "matplotlib": "demo",
    "PIL": "datasets",
    "safetensors": "safetensors",
}

# Files over 450 lines and functions over 60, each with the reason why it is not split.
LONG_FILES: dict[str, str] = {}
LONG_FUNCTIONS: dict[str, str] = {}


def modules() -> dict[str, ast.Module]:
    """Return the parsed files by name: "ops.unary", "autograd" for its __init__, "" for the top."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return found


MODULES = modules()
PACKAGES = {
    ".".join(path.parent.relative_to(PACKAGE).parts) for path in PACKAGE.rglob("__init__.py")
}


def statements(tree: ast.AST, inside: bool = False) -> Iterator[tuple[ast.stmt, bool]]:
    """Yield each import, and whether a function holds it; not those for the type checker alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for each in node.orelse:
                yield from statements(each, inside)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield node, inside
        else:
            function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from statements(node, inside or function)


def imports(name: str) -> Iterator[tuple[str, bool]]:
    """Yield what module `name` imports: "jitgrad.ops.unary", "numpy"; and whether late."""
    for statement, late in statements(MODULES[name]):
        if isinstance(statement, ast.Import):
            for each in statement.names:
                yield each.name, late
            continue
        assert isinstance(statement, ast.ImportFrom)
        source = statement.module or ""
        if statement.level:
            assert statement.level == 1, f"{name}: import from above, line {statement.lineno}"
            package = name if name in PACKAGES else name.rpartition(".")[0]
            source = f"jitgrad.{package}.{source}".rstrip(".")
        for each in statement.names:
            inner = f"{source}.{each.name}"
            known = inner.removeprefix("jitgrad.") in MODULES and source.startswith("jitgrad")
            yield (inner if known else source), late


def own(name: str) -> Iterator[tuple[str, bool]]:
    """Yield the modules of the package that `name` imports."""
    for imported, late in imports(name):
        if imported == "jitgrad" or imported.startswith("jitgrad."):
            yield imported.removeprefix("jitgrad").removeprefix("."), late


def floor_and_room(name: str) -> tuple[int, str]:
    """Return the number of the floor and the room that module `name` is in."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        room = ".".join(parts[:length])
        for number, rooms in enumerate(FLOORS):
            if room in rooms:
                return number, room
    raise AssertionError(f"jitgrad.{name} is on no floor: add it to FLOORS in {__file__}")


@pytest.mark.parametrize("name", MODULES)
def test_imports_go_down(name):
    floor, room = floor_and_room(name)
    for imported, _ in own(name):
        below, other = floor_and_room(imported)
        assert below < floor or other == room, f"jitgrad.{name} imports jitgrad.{imported}, above"


def test_no_cycles():
    graph = {
        name: {imported for imported, late in own(name) if not late and imported != name}
        for name in MODULES
    }
    # a package imports its parts, which is no cycle when they do not import the package
    list(graphlib.TopologicalSorter(graph).static_order())


def test_python_knows_no_tensors():
    """Evaluation of Python speaks to tensors through the recorder's protocol only."""
    for name in MODULES:
        if name.split(".")[0] == "python":
            known = {room.split(".")[0] for room, _ in own(name)}
            assert known <= {"python", "errors", "config", "bounded"}


@pytest.mark.parametrize("name", MODULES)
def test_imports_stand_at_the_top(name):
    late = {imported.split(".")[0] for imported, inside in imports(name) if inside}
    excused = {imported for module, imported in LATE_IMPORTS if module == name}
    assert late <= excused, f"jitgrad.{name} imports {late - excused} inside a function"


def test_excuses_are_used():
    for name, imported in LATE_IMPORTS:
        assert any(late and found.startswith(imported) for found, late in imports(name))


@pytest.mark.parametrize("name", MODULES)
def test_few_things_from_outside(name):
    for imported, _ in imports(name):
        package = imported.split(".")[0]
        if package in sys.stdlib_module_names or package == "jitgrad":
            continue
        assert package in OUTSIDE, f"jitgrad.{name} imports {package}"
        assert name.startswith(OUTSIDE[package]), (
            f"jitgrad.{name} imports {package}, which is for jitgrad.{OUTSIDE[package]} only"
        )


def test_import_does_not_load_numba():
    code = (
        "import jitgrad, sys; print(sorted({'numba', 'llvmlite', 'matplotlib'} & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent
    )
    assert run.stdout.strip() == "[]", run.stdout + run.stderr


def test_files_are_short():
    long = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if len(path.read_text(encoding="utf-8").splitlines()) > 450
    }
    assert long == set(LONG_FILES), "a file over 450 lines asks for a reason in LONG_FILES"


def test_functions_are_short():
    long = {
        f"{name}.{node.name}"
        for name, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - _body_start(node) + 1 > 60
    }
    assert long == set(LONG_FUNCTIONS), "a function over 60 lines asks for a reason"


def _body_start(function: ast.FunctionDef) -> int:
    """Return the line where the code begins, behind the docstring."""
    first = function.body[0]
    documented = ast.get_docstring(function) is not None and len(function.body) > 1
    return function.body[1].lineno if documented else first.lineno
