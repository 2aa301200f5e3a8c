"""Code samples of an operation for curl, Python and TypeScript, made from its declaration."""

import json
import keyword
import pprint
import re
import shlex
from typing import Any, Final

import attrs

from web.http.operations import Audience, Operation
from web.openapi.schemas import Schema, members_of

JSON: Final = "application/json"
_PARAMETER: Final = re.compile(r"\{(\w+)\}")
_INDENT: Final = "\n    "


def code_samples(operation: Operation) -> list[Schema]:
    """Return the samples in the form of ``x-codeSamples``.

    The address of the gateway, the token and the parameters of the path are variables.
    """
    request = SampleRequest.of(operation)
    return [
        {"lang": "Shell", "label": "curl", "source": request.curl()},
        {"lang": "Python", "label": "Python", "source": request.python()},
        {"lang": "TypeScript", "label": "TypeScript", "source": request.typescript()},
    ]


@attrs.frozen
class SampleRequest:
    """A request of a sample. ``path`` has parameters in braces, ``query`` the required ones;
    ``answers`` is the media type of the answer, if it has content.
    """

    method: str
    path: str
    query: tuple[str, ...]
    with_token: bool
    body: Any
    answers: str | None

    @classmethod
    def of(cls, operation: Operation) -> "SampleRequest":
        """Return a request that the operation's example describes."""
        query = {} if operation.query is None else members_of(operation.query)
        return cls(
            operation.method,
            operation.path,
            tuple(name for name, (_, required) in query.items() if required),
            operation.audience is not Audience.PUBLIC,
            operation.request_example,
            operation.media if next(iter(operation.answers.values())) is not None else None,
        )

    def curl(self) -> str:
        """Return a command for a POSIX shell."""
        address = _PARAMETER.sub(lambda found: f"${found[1].upper()}", self.path)
        query = "&".join(f"{name}=${name.upper()}" for name in self.query)
        lines = [f'"$RENDERTRUST_URL{address}{"?" + query if query else ""}"']
        if self.with_token:
            lines.append('-H "Authorization: Bearer $RENDERTRUST_TOKEN"')
        if self.body is not None:
            lines.append("-H 'Content-Type: application/json'")
            lines.append(f"-d {shlex.quote(json.dumps(self.body, ensure_ascii=False))}")
        method = "" if self.method == "GET" else f"-X {self.method} "
        return f"curl --fail-with-body {method}" + " \\\n  ".join(lines)

    def python(self) -> str:
        """Return a program that uses the package requests."""
        address = _PARAMETER.sub(lambda found: f"{{{found[1]}}}", self.path)
        given = [f'f"{{url}}{address}"']
        if self.query:
            members = [f'"{name}": {variable(name)}' for name in self.query]
            given.append(f"params={{{', '.join(members)}}}")
        if self.with_token:
            given.append('headers={"Authorization": f"Bearer {token}"}')
        if self.body is not None:
            shown = pprint.pformat(self.body, width=80, sort_dicts=False)
            given.append(f"json={shown.replace(chr(10), chr(10) + ' ' * 9)}")
        given.append("timeout=30")
        lines = [
            "import requests\n",
            f"answer = requests.{self.method.lower()}({_INDENT}{f',{_INDENT}'.join(given)},\n)",
            "answer.raise_for_status()",
        ]
        if self.answers is not None:
            lines.append(f"print(answer.{'json()' if self.answers == JSON else 'content'})")
        return "\n".join(lines)

    def typescript(self) -> str:
        """Return a module that uses fetch."""
        address = _PARAMETER.sub(lambda found: f"${{{found[1]}}}", self.path)
        query = "&".join(f"{name}=${{encodeURIComponent({variable(name)})}}" for name in self.query)
        headers = ["Authorization: `Bearer ${token}`"] if self.with_token else []
        init = [f'method: "{self.method}"']
        if self.body is not None:
            headers.append('"Content-Type": "application/json"')
        if headers:
            init.append(f"headers: {{ {', '.join(headers)} }}")
        if self.body is not None:
            shown = json.dumps(self.body, ensure_ascii=False, indent=2).replace("\n", "\n  ")
            init.append(f"body: JSON.stringify({shown})")
        lines = [
            f"const answer = await fetch(`${{url}}{address}{'?' + query if query else ''}`, {{",
            *(f"  {member}," for member in init),
            "});",
            "if (!answer.ok) throw new Error((await answer.json()).detail);",
        ]
        if self.answers is not None:
            lines.append(
                f"console.log(await answer.{'json' if self.answers == JSON else 'blob'}());"
            )
        return "\n".join(lines)


def variable(name: str) -> str:
    """Return the variable for a parameter, whose name may be a word of Python."""
    return f"{name}_" if keyword.iskeyword(name) else name
