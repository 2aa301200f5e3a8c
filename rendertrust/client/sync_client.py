"""Client: the API of a gateway as blocking methods, for programs without asyncio."""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import wraps
from inspect import signature
from types import GenericAlias
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, get_args

from rendertrust import api
from rendertrust.client.async_client import RETRIES, AsyncClient
from rendertrust.client.backoff import Retries
from rendertrust.client.log_monitor import Pins
from rendertrust.client.login import TokenStore
from rendertrust.client.loop_thread import LoopThread
from rendertrust.client.transport import Waiting

Arguments = ParamSpec("Arguments")
Reply = TypeVar("Reply")
Element = TypeVar("Element")


def blocking(
    method: Callable[Concatenate[AsyncClient, Arguments], Coroutine[Any, Any, Reply]],
) -> Callable[Concatenate["Client", Arguments], Reply]:
    """Return the blocking twin of a method, with the same arguments, result and docstring."""

    @wraps(method)
    def twin(client: "Client", /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Reply:
        return client.loop_thread.run(method(client.async_client, *args, **kwargs))

    return twin


def iterating(
    method: Callable[Concatenate[AsyncClient, Arguments], AsyncIterator[Element]],
) -> Callable[Concatenate["Client", Arguments], Iterator[Element]]:
    """Return the blocking twin of a method that returns an async iterator: an iterator."""

    @wraps(method)
    def twin(
        client: "Client", /, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Iterator[Element]:
        return client.loop_thread.each(method(client.async_client, *args, **kwargs))

    returns = GenericAlias(Iterator, get_args(method.__annotations__["return"]))
    twin.__annotations__ = {**method.__annotations__, "return": returns}
    twin.__signature__ = signature(method).replace(return_annotation=returns)  # type: ignore[attr-defined]
    return twin


class Client:
    """A client of one gateway: ``with Client(url) as client: …``. Methods as in ``AsyncClient``.

    Its event loop runs in a thread, so it also works where another loop is running (a notebook).
    ``progress`` and ``waiting`` are called in that thread.
    """

    def __init__(
        self,
        url: str,
        *,
        tokens: api.Tokens | None = None,
        keeper: TokenStore | None = None,
        api_key: str | None = None,
        retries: Retries = RETRIES,
        waiting: Waiting | None = None,
        pins: Pins | None = None,
    ) -> None:
        """Prepare a client. The client connects with the first request.

        ``keeper`` keeps tokens and ``pins`` the newest checkpoint between runs. With an ``api_key``
        you need no login. ``waiting`` is called before each pause between two tries.
        """
        self.async_client = AsyncClient(
            url,
            tokens=tokens,
            keeper=keeper,
            api_key=api_key,
            retries=retries,
            waiting=waiting,
            pins=pins,
        )
        self.loop_thread = LoopThread()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Return the gateway's address."""
        return self.async_client.url

    def close(self) -> None:
        """Close the connections; do not use the client afterwards."""
        self.loop_thread.close(self.async_client.close)

    # Methods of ``AsyncClient``, written by ``python -m scripts.generate_sync_client``.

    register = blocking(AsyncClient.register)
    login = blocking(AsyncClient.login)
    start_login_by_code = blocking(AsyncClient.start_login_by_code)
    finish_login_by_code = blocking(AsyncClient.finish_login_by_code)
    give_second_factor = blocking(AsyncClient.give_second_factor)
    logout = blocking(AsyncClient.logout)
    create_key = blocking(AsyncClient.create_key)
    keys = blocking(AsyncClient.keys)
    each_key = iterating(AsyncClient.each_key)
    revoke_key = blocking(AsyncClient.revoke_key)
    change_password = blocking(AsyncClient.change_password)
    sessions = blocking(AsyncClient.sessions)
    each_session = iterating(AsyncClient.each_session)
    end_session = blocking(AsyncClient.end_session)
    account = blocking(AsyncClient.account)
    choose_mails = blocking(AsyncClient.choose_mails)
    address_invoices = blocking(AsyncClient.address_invoices)
    export_account = blocking(AsyncClient.export_account)
    delete_account = blocking(AsyncClient.delete_account)
    access_token = blocking(AsyncClient.access_token)
    balance = blocking(AsyncClient.balance)
    history = blocking(AsyncClient.history)
    each_entry = iterating(AsyncClient.each_entry)
    deduct = blocking(AsyncClient.deduct)
    holds = blocking(AsyncClient.holds)
    each_hold = iterating(AsyncClient.each_hold)
    usage = blocking(AsyncClient.usage)
    credits_statement = blocking(AsyncClient.credits_statement)
    purchases = blocking(AsyncClient.purchases)
    invoice = blocking(AsyncClient.invoice)
    credit_note = blocking(AsyncClient.credit_note)
    offers = blocking(AsyncClient.offers)
    checkout = blocking(AsyncClient.checkout)
    organisations = blocking(AsyncClient.organisations)
    organisation = blocking(AsyncClient.organisation)
    found_organisation = blocking(AsyncClient.found_organisation)
    end_organisation = blocking(AsyncClient.end_organisation)
    invite = blocking(AsyncClient.invite)
    accept_invitation = blocking(AsyncClient.accept_invitation)
    set_member_role = blocking(AsyncClient.set_member_role)
    remove_member = blocking(AsyncClient.remove_member)
    lend_node = blocking(AsyncClient.lend_node)
    take_node_back = blocking(AsyncClient.take_node_back)
    trusted = blocking(AsyncClient.trusted)
    trust = blocking(AsyncClient.trust)
    distrust = blocking(AsyncClient.distrust)
    upload = blocking(AsyncClient.upload)
    upload_all = blocking(AsyncClient.upload_all)
    uploads = blocking(AsyncClient.uploads)
    each_upload = iterating(AsyncClient.each_upload)
    delete_upload = blocking(AsyncClient.delete_upload)
    preflight = blocking(AsyncClient.preflight)
    quote = blocking(AsyncClient.quote)
    dispatch = blocking(AsyncClient.dispatch)
    jobs = blocking(AsyncClient.jobs)
    each_job = iterating(AsyncClient.each_job)
    job = blocking(AsyncClient.job)
    watch = iterating(AsyncClient.watch)
    wait = blocking(AsyncClient.wait)
    cancel = blocking(AsyncClient.cancel)
    retry = blocking(AsyncClient.retry)
    pause = blocking(AsyncClient.pause)
    resume = blocking(AsyncClient.resume)
    rename = blocking(AsyncClient.rename)
    stop = blocking(AsyncClient.stop)
    change = blocking(AsyncClient.change)
    video = blocking(AsyncClient.video)
    units = blocking(AsyncClient.units)
    each_unit = iterating(AsyncClient.each_unit)
    unit = blocking(AsyncClient.unit)
    retry_unit = blocking(AsyncClient.retry_unit)
    events = iterating(AsyncClient.events)
    event_page = blocking(AsyncClient.event_page)
    job_log = blocking(AsyncClient.job_log)
    hooks = blocking(AsyncClient.hooks)
    create_hook = blocking(AsyncClient.create_hook)
    change_hook = blocking(AsyncClient.change_hook)
    rotate_hook = blocking(AsyncClient.rotate_hook)
    delete_hook = blocking(AsyncClient.delete_hook)
    deliveries = blocking(AsyncClient.deliveries)
    replay = blocking(AsyncClient.replay)
    preview = blocking(AsyncClient.preview)
    result = blocking(AsyncClient.result)
    download = blocking(AsyncClient.download)
    download_unit = blocking(AsyncClient.download_unit)
    download_frames = blocking(AsyncClient.download_frames)
    archive = blocking(AsyncClient.archive)
    download_archive = blocking(AsyncClient.download_archive)
    evidence = blocking(AsyncClient.evidence)
    download_evidence = blocking(AsyncClient.download_evidence)
    manifest = blocking(AsyncClient.manifest)
    download_manifest = blocking(AsyncClient.download_manifest)
    receipt = blocking(AsyncClient.receipt)
    share = blocking(AsyncClient.share)
    share_links = blocking(AsyncClient.share_links)
    each_share_link = iterating(AsyncClient.each_share_link)
    revoke_share_link = blocking(AsyncClient.revoke_share_link)
    dispute = blocking(AsyncClient.dispute)
    download_check_picture = blocking(AsyncClient.download_check_picture)
    download_dispute_picture = blocking(AsyncClient.download_dispute_picture)
    disputes = blocking(AsyncClient.disputes)
    each_dispute = iterating(AsyncClient.each_dispute)
    work_disputes = blocking(AsyncClient.work_disputes)
    each_work_dispute = iterating(AsyncClient.each_work_dispute)
    answer_dispute = blocking(AsyncClient.answer_dispute)
    log_checkpoint = blocking(AsyncClient.log_checkpoint)
    entry_proof = blocking(AsyncClient.entry_proof)
    verify_entry = blocking(AsyncClient.verify_entry)
    nodes = blocking(AsyncClient.nodes)
    each_node = iterating(AsyncClient.each_node)
    node = blocking(AsyncClient.node)
    node_checks = blocking(AsyncClient.node_checks)
    node_connections = blocking(AsyncClient.node_connections)
    check_queue = blocking(AsyncClient.check_queue)
    tell_node = blocking(AsyncClient.tell_node)
    downloads = blocking(AsyncClient.downloads)
    download_addon = blocking(AsyncClient.download_addon)
    make_join_code = blocking(AsyncClient.make_join_code)
    join_codes = blocking(AsyncClient.join_codes)
    revoke_join_code = blocking(AsyncClient.revoke_join_code)
    earnings = blocking(AsyncClient.earnings)
    each_earning = iterating(AsyncClient.each_earning)
    earning_sums = blocking(AsyncClient.earning_sums)
    unpaid_results = blocking(AsyncClient.unpaid_results)
    download_comparison = blocking(AsyncClient.download_comparison)
    payouts = blocking(AsyncClient.payouts)
    each_payout = iterating(AsyncClient.each_payout)
    payout_rules = blocking(AsyncClient.payout_rules)
    set_payout_rules = blocking(AsyncClient.set_payout_rules)
    pay_out = blocking(AsyncClient.pay_out)
    payout_account = blocking(AsyncClient.payout_account)
    set_payout_account = blocking(AsyncClient.set_payout_account)
    stop_payout_change = blocking(AsyncClient.stop_payout_change)
    remove_payout_account = blocking(AsyncClient.remove_payout_account)
    statement = blocking(AsyncClient.statement)
    statement_document = blocking(AsyncClient.statement_document)
