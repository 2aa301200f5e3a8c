"""A fuzzing run: a number of cases for each operation, and the results."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.core.control import SkipTest
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.core.transport import Response
from schemathesis.generation import GenerationMode
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi import checks as rules

from tests.fuzz.recipes import OF_ADMINS, PRIVATE, RECIPES, WORDS, Good
from tests.fuzz.stage import Stage
from tests.support.api_description import Contract, Heard

# Schemathesis's own checks; `Contract` checks more strictly that answers fit their schemas. One
# check is left out: that all data that fits the schema is accepted. A schema cannot describe which
# public keys and which buckets the gateway accepts.
CHECKS: list[Any] = [
    not_a_server_error,
    rules.status_code_conformance,
    rules.content_type_conformance,
    rules.response_headers_conformance,
    rules.negative_data_rejection,
]
BUSY, BUSY_SECONDS, AGAIN_SECONDS = 503, 60.0, 0.2
# One in 4 cases follows a recipe, one in 20 is a stranger's, one in 3 is invalid.
GOOD_OF, STRANGER_OF, NEGATIVE_OF = 4, 20, 3
PHASES = [Phase.generate]  # no shrinking, because that would multiply the requests
UNHURRIED = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
RELAY = "relay"


@attrs.define
class Tally:
    """The results of one operation's cases."""

    label: str
    audience: str
    statuses: Counter[int] = attrs.field(factory=Counter[int])
    failures: list[str] = attrs.field(factory=list[str])

    @property
    def cases(self) -> int:
        return self.statuses.total()

    @property
    def successes(self) -> int:
        return sum(count for status, count in self.statuses.items() if status < 300)

    @property
    def admitted(self) -> int:
        """Number of cases that passed authentication."""
        return self.cases - self.statuses[401] - self.statuses[403]


class Run:
    """A run of ``cases`` cases over all operations; the same seed gives the same cases."""

    def __init__(self, url: str, stage: Stage, *, cases: int, seed: int) -> None:
        document = requests.get(f"{url}/openapi.json", timeout=10).json()
        self._contract = Contract(document)
        self._url = url
        self._stage = stage
        self._seed = seed
        self._http = requests.Session()
        schema = schemathesis.openapi.from_dict(document)
        # the run adds tokens itself
        schema.config.generation.update(with_security_parameters=False)
        found = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
        self._operations: list[Any] = [o for o in found if self._asked(o)]
        self._each = -(-cases // len(self._operations))

    def _asked(self, operation: APIOperation[Any, Any, Any, Any]) -> bool:
        """Return False if the operation needs a socket, or an admin although no admin is given."""
        if RELAY in (operation.tags or []):
            return False
        name = operation.definition.raw["operationId"]
        of_admins = name in OF_ADMINS or audience_of(operation) == "admin"
        return "admin" in self._stage.tokens or not of_admins

    def all(self) -> Iterator[Tally]:
        """Run all operations and yield the results of each."""
        for operation in self._operations:
            yield self._one(operation)

    def _one(self, operation: APIOperation[Any, Any, Any, Any]) -> Tally:
        audience = audience_of(operation)
        tally = Tally(operation.label, audience)
        chance = random.Random(f"{self._seed} {operation.label}")
        negative = self._each // NEGATIVE_OF
        self._send(operation, GenerationMode.POSITIVE, self._each - negative, tally, chance)
        try:
            self._send(operation, GenerationMode.NEGATIVE, negative, tally, chance)
        except (SkipTest, Unsatisfiable):  # no request to this operation can be invalid
            self._send(operation, GenerationMode.POSITIVE, negative, tally, chance)
        return tally

    def _send(
        self,
        operation: APIOperation[Any, Any, Any, Any],
        mode: GenerationMode,
        cases: int,
        tally: Tally,
        chance: random.Random,
    ) -> None:
        done = 0

        @seed(self._seed)
        @settings(
            max_examples=cases,
            deadline=None,
            database=None,
            phases=PHASES,
            suppress_health_check=UNHURRIED,
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def one(case: Case[Any]) -> None:
            nonlocal done
            done += 1
            good = mode is GenerationMode.POSITIVE and chance.randrange(GOOD_OF) == 0
            if mode.is_positive:
                words = WORDS.get(case.operation.definition.raw["operationId"], {})
                case.path_parameters = {**case.path_parameters, **words}
            self._case(case, tally, chance, good=good or (done == 1 and mode.is_positive))

        run: Callable[[], None] = one
        run()
        while mode.is_positive and done < cases:  # no more distinct cases exist
            done += 1
            self._case(operation.Case(), tally, chance, good=True)

    def _case(self, case: Case[Any], tally: Tally, chance: random.Random, *, good: bool) -> None:
        made = self._good(case) if good else Good(token=self._own(case))
        if good:
            case.path_parameters = {**case.path_parameters, **made.ids}
            case.headers.clear()
            case.body = case.body if made.body is None else made.body
            case.query = case.query if made.query is None else made.query
        stranger = not good and chance.randrange(STRANGER_OF) == 0
        headers = self._headers(tally.audience, made, chance, stranger=stranger)
        answer = self._answer(case, headers)
        tally.statuses[answer.status_code] += 1
        try:
            self._judge(case, answer)
        except (AssertionError, FailureGroup) as failure:
            tally.failures.append(f"{case.as_curl_command()}\n{failure}")

    def _answer(self, case: Case[Any], headers: dict[str, str]) -> Response:
        """Send a case; repeat it while the gateway answers 503."""
        ends = time.monotonic() + BUSY_SECONDS
        while True:
            answer = case.call(base_url=self._url, session=self._http, headers=headers, timeout=30)
            if answer.status_code != BUSY or time.monotonic() > ends:
                return answer
            time.sleep(AGAIN_SECONDS)

    def _own(self, case: Case[Any]) -> str | None:
        """Return a token for this case alone, if the operation may end its session."""
        name = case.operation.definition.raw["operationId"]
        return RECIPES[name](self._stage).token if name in PRIVATE else None

    def _good(self, case: Case[Any]) -> Good:
        """Return the operation's recipe, or its documented example with existing ids."""
        raw = case.operation.definition.raw
        recipe = RECIPES.get(raw["operationId"])
        if recipe is not None:
            return recipe(self._stage)
        ids = {name: self._stage.ids[name] for name in case.path_parameters}
        content = raw.get("requestBody", {}).get("content", {}).get("application/json", {})
        return Good(ids, content.get("example"))

    def _judge(self, case: Case[Any], answer: Response) -> None:
        path = answer.request.path_url.partition("?")[0]
        body = answer.content or b""
        headers = {name: values[0] for name, values in answer.headers.items()}
        self._contract.check(Heard(case.method, path, answer.status_code, headers, body))
        case.validate_response(answer, checks=CHECKS)

    def _headers(
        self, audience: str, good: Good, chance: random.Random, *, stranger: bool
    ) -> dict[str, str]:
        """Return the headers with a token; a ``stranger`` has no token or an invalid token."""
        token = good.token or self._stage.tokens.get(audience)
        if token is None:
            return {}
        if stranger:
            return chance.choice([{}, {"Authorization": "Bearer nobody"}])
        return {"Authorization": f"Bearer {token}"}


def audience_of(operation: APIOperation[Any, Any, Any, Any]) -> str:
    """Return whose token the operation takes: public, user, node or admin."""
    schemes: dict[str, list[str]] = {}
    for either in operation.definition.raw.get("security", []):
        schemes |= either
    if "node" in schemes:
        return "node"
    if "user" not in schemes:
        return "public"
    return "admin" if "admin" in schemes["user"] else "user"
