"""Generate the blocking ``Client`` from the source of ``AsyncClient``.

Run this module as ``python -m scripts.generate_sync_client`` after a change of ``AsyncClient``, in
an environment of this repository. Each public method gets a blocking twin with the same signature,
types and docstring, which runs the method on the client's loop thread. Async iterators become
iterators.
"""

import ast
import copy
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
SOURCE = CHECKOUT / "rendertrust/client/async_client.py"
TARGET = CHECKOUT / "rendertrust/client/sync_client.py"
COMMAND = "python -m scripts.generate_sync_client"
ASYNC = "AsyncClient"
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


def generated(source: str) -> str:
    """Return the source of ``Client``, generated from the source of ``AsyncClient``."""
    module = ast.parse(source)
    classes = [node for node in module.body if isinstance(node, ast.ClassDef)]
    (client,) = (node for node in classes if node.name == ASYNC)
    methods = [
        _twin(node)
        for node in client.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _is_wanted(node.name)
    ]
    body = "\n".join([methods[0], ENTER_AND_EXIT, *methods[1:]])
    imports = "\n".join(_imports(module, body))
    return _formatted(HEAD.format(imports=imports) + "\n" + body)


def _is_wanted(name: str) -> bool:
    return name == "__init__" or not name.startswith("_")


def _twin(method: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """Return the blocking twin of a method."""
    returns = method.returns and ast.unparse(method.returns).replace("AsyncIterator[", "Iterator[")
    lines = [f"@{ast.unparse(decorator)}" for decorator in method.decorator_list]
    lines.append(f"def {method.name}({ast.unparse(method.args)}) -> {returns}:")
    lines += [f"    {line}" for line in _body(method)]
    return "".join(f"    {line}\n" for line in lines)


def _body(method: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    docstring = ast.get_docstring(method, clean=False)
    if docstring is None:
        raise ValueError(f"{method.name} has no docstring")
    yield f'"""{docstring}"""'
    arguments = _arguments(method)
    call = f"self._client.{method.name}({arguments})"
    if method.name == "__init__":
        yield f"self._client = {ASYNC}({arguments})"
        yield "self._loop_thread = LoopThread()"
    elif method.name == "close":
        yield "self._loop_thread.close(self._client.close)"
    elif method.decorator_list:  # a property
        yield f"return self._client.{method.name}"
    elif method.returns and ast.unparse(method.returns).startswith("AsyncIterator["):
        yield f"return self._loop_thread.each({call})"
    elif method.returns and ast.unparse(method.returns) == "None":
        yield f"self._loop_thread.run({call})"
    else:
        yield f"return self._loop_thread.run({call})"


def _arguments(method: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """Return the arguments of a call that passes all of the method's arguments on."""
    positional = [argument.arg for argument in method.args.args[1:]]
    named = [f"{argument.arg}={argument.arg}" for argument in method.args.kwonlyargs]
    return ", ".join([*positional, *named])


def _imports(module: ast.Module, body: str) -> Iterator[str]:
    """Yield the imports of the source that the twin needs, and the twin's own imports."""
    used = set(re.findall(r"\w+", re.sub(r'""".*?"""', "", body, flags=re.DOTALL)))
    for node in module.body:
        if isinstance(node, ast.ImportFrom):
            wanted = copy.copy(node)
            names = [ast.alias(alias.name.replace("AsyncIter", "Iter")) for alias in node.names]
            wanted.names = [alias for alias in names if alias.name in used]
            if wanted.names:
                yield ast.unparse(wanted)
    own = sorted((_constants(module) & used) | {ASYNC})
    yield f"from rendertrust.client.async_client import {', '.join(own)}"
    yield "from rendertrust.client.loop_thread import LoopThread"


def _constants(module: ast.Module) -> set[str]:
    targets = [node.target for node in module.body if isinstance(node, ast.AnnAssign)]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _formatted(source: str) -> str:
    """Format the source and sort its imports as the linter requires."""
    for words in (("check", "--select", "I", "--fix"), ("format",)):
        command = [sys.executable, "-m", "ruff", *words, "--quiet", "--stdin-filename", TARGET, "-"]
        done = subprocess.run(
            command, input=source, capture_output=True, text=True, check=True, cwd=CHECKOUT
        )
        source = done.stdout
    return source


if __name__ == "__main__":
    TARGET.write_text(generated(SOURCE.read_text()))
