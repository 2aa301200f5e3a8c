"""Generate the blocking ``Client`` from the source of ``AsyncClient``.

Run this module as ``python -m scripts.generate_sync_client`` after a change of ``AsyncClient`` or
its methods, in an environment of this repository. Each public method gets a blocking twin with the
same signature, types and docstring, which runs the method on the client's loop thread. Async
iterators become iterators.
"""

import ast
import copy
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

CHECKOUT = Path(__file__).resolve().parent.parent
FOLDER = CHECKOUT / "rendertrust/client"
TARGET = FOLDER / "sync_client.py"
COMMAND = "python -m scripts.generate_sync_client"
ASYNC = "AsyncClient"
MODULE = "async_client"
# Modules of functions that are methods of ``AsyncClient``.
METHODS = ("account_methods", "job_methods", "node_methods", "result_methods")
HEAD = f'''\
# Generated from async_client.py by `{COMMAND}`; do not edit.
"""Client: the API of a gateway as blocking methods, for programs without asyncio."""

{{imports}}


class Client:
    """A client of one gateway: ``with Client(url) as client: …``. Methods as in ``AsyncClient``.

    Its event loop runs in a thread, so it also works where another loop is running (a notebook).
    ``progress`` and ``waiting`` are called in that thread.
    """
'''
ENTER_AND_EXIT = """\
    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
"""
Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


def sources() -> dict[str, str]:
    """Return the sources of ``AsyncClient`` and of its methods by module name."""
    return {name: (FOLDER / f"{name}.py").read_text() for name in (MODULE, *METHODS)}


def generated(sources: Mapping[str, str]) -> str:
    """Return the source of ``Client``, generated from ``sources`` (by module name)."""
    modules = {name: ast.parse(source) for name, source in sources.items()}
    methods = [_twin(name, method) for name, method in _methods(modules)]
    body = "\n".join([methods[0], ENTER_AND_EXIT, *methods[1:]])
    imports = "\n".join(_imports(modules, body))
    return _formatted(HEAD.format(imports=imports) + "\n" + body)


def _methods(modules: Mapping[str, ast.Module]) -> Iterator[tuple[str, Function]]:
    """Yield the public methods of ``AsyncClient``: its own, and functions that it names."""
    classes = [node for node in modules[MODULE].body if isinstance(node, ast.ClassDef)]
    (client,) = (node for node in classes if node.name == ASYNC)
    for node in client.body:
        if isinstance(node, Function) and (node.name == "__init__" or node.name[0] != "_"):
            yield node.name, node
        elif isinstance(node, ast.Assign):  # name = module.function
            (target,) = node.targets
            module, _, function = ast.unparse(node.value).partition(".")
            yield ast.unparse(target), _functions(modules[module])[function]


def _functions(module: ast.Module) -> dict[str, Function]:
    return {node.name: node for node in module.body if isinstance(node, Function)}


def _twin(name: str, method: Function) -> str:
    """Return the blocking twin of a method."""
    method.args.args[0] = ast.arg("self")
    returns = method.returns and ast.unparse(method.returns).replace("AsyncIterator[", "Iterator[")
    lines = [f"@{ast.unparse(decorator)}" for decorator in method.decorator_list]
    lines.append(f"def {name}({ast.unparse(method.args)}) -> {returns}:")
    lines += [f"    {line}" for line in _body(name, method)]
    return "".join(f"    {line}\n" if line.strip() else "\n" for line in lines)


def _body(name: str, method: Function) -> Iterator[str]:
    docstring = ast.get_docstring(method)
    if docstring is None:
        raise ValueError(f"{name} has no docstring")
    *lines, last = docstring.split("\n")
    yield from (f'"""{docstring}"""',) if not lines else (f'"""{lines[0]}', *lines[1:], last, '"""')
    arguments = _arguments(method)
    call = f"self._api.{name}({arguments})"
    if name == "__init__":
        yield f"self._api = {ASYNC}({arguments})"
        yield "self._loop = LoopThread()"
    elif name == "close":
        yield "self._loop.close(self._api.close)"
    elif method.decorator_list:  # a property
        yield f"return self._api.{name}"
    elif method.returns and ast.unparse(method.returns).startswith("AsyncIterator["):
        yield f"return self._loop.each({call})"
    elif method.returns and ast.unparse(method.returns) == "None":
        yield f"self._loop.run({call})"
    else:
        yield f"return self._loop.run({call})"


def _arguments(method: Function) -> str:
    """Return the arguments of a call that passes all of the method's arguments on."""
    positional = [argument.arg for argument in method.args.args[1:]]
    named = [f"{argument.arg}={argument.arg}" for argument in method.args.kwonlyargs]
    return ", ".join([*positional, *named])


def _imports(modules: Mapping[str, ast.Module], body: str) -> Iterator[str]:
    """Yield the imports of the sources that the twins need, and the client's own imports."""
    used = set(re.findall(r"\w+", re.sub(r'""".*?"""', "", body, flags=re.DOTALL)))
    for node in (node for module in modules.values() for node in module.body):
        if isinstance(node, ast.ImportFrom):
            wanted = copy.copy(node)
            names = [ast.alias(alias.name.replace("AsyncIter", "Iter")) for alias in node.names]
            wanted.names = [alias for alias in names if alias.name in used]
            if wanted.names:
                yield ast.unparse(wanted)
    own = sorted((_constants(modules[MODULE]) & used) | {ASYNC})
    yield f"from rendertrust.client.async_client import {', '.join(own)}"
    yield "from rendertrust.client.loop_thread import LoopThread"


def _constants(module: ast.Module) -> set[str]:
    targets = [node.target for node in module.body if isinstance(node, ast.AnnAssign)]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _formatted(source: str) -> str:
    """Format the source and sort its imports as the linter requires."""
    for words in (("check", "--select", "I,F811", "--fix"), ("format",)):
        command = [sys.executable, "-m", "ruff", *words, "--quiet", "--stdin-filename", TARGET, "-"]
        done = subprocess.run(
            command, input=source, capture_output=True, text=True, check=True, cwd=CHECKOUT
        )
        source = done.stdout
    return source


if __name__ == "__main__":
    TARGET.write_text(generated(sources()))
