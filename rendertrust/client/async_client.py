"""AsyncClient: the API of a gateway as methods, for programs that use asyncio."""

from typing import Final, Self

from rendertrust import api
from rendertrust.client import account_methods, job_methods, node_methods, result_methods
from rendertrust.client.api_connection import ApiConnection
from rendertrust.client.backoff import Retries
from rendertrust.client.log_monitor import LogMonitor, MemoryPins, Pins
from rendertrust.client.login import Login, MemoryTokenStore, TokenStore
from rendertrust.client.transport import Transport, Waiting

RETRIES: Final = Retries()


class AsyncClient:
    """A client of one gateway: ``async with AsyncClient(url) as client: …``.

    Every method may raise a ``RenderTrustError``: ``Refused`` or a subclass if the gateway refuses,
    ``NoAnswer`` if no try gets a reply. An id that is not a UUID raises ValueError.
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
        self._transport = Transport(url, retries, waiting)
        keeper = MemoryTokenStore(tokens) if keeper is None else keeper
        self.connection = ask = ApiConnection(Login(self._transport, keeper, api_key))
        pins = MemoryPins() if pins is None else pins
        self.log_monitor = LogMonitor(ask.get_open_json, ask.get_json, pins)

    @property
    def url(self) -> str:
        """Return the gateway's address."""
        return self._transport.url

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; do not use the client afterwards."""
        await self._transport.close()

    # Account: login, API keys, sessions

    register = account_methods.register
    login = account_methods.login
    start_login_by_code = account_methods.start_login_by_code
    finish_login_by_code = account_methods.finish_login_by_code
    give_second_factor = account_methods.give_second_factor
    logout = account_methods.logout
    create_key = account_methods.create_key
    keys = account_methods.keys
    each_key = account_methods.each_key
    revoke_key = account_methods.revoke_key
    change_password = account_methods.change_password
    sessions = account_methods.sessions
    each_session = account_methods.each_session
    end_session = account_methods.end_session
    account = account_methods.account
    choose_mails = account_methods.choose_mails
    address_invoices = account_methods.address_invoices
    export_account = account_methods.export_account
    delete_account = account_methods.delete_account
    access_token = account_methods.access_token

    # Credits

    balance = account_methods.balance
    history = account_methods.history
    each_entry = account_methods.each_entry
    deduct = account_methods.deduct
    holds = account_methods.holds
    each_hold = account_methods.each_hold
    usage = account_methods.usage
    credits_statement = account_methods.credits_statement
    purchases = account_methods.purchases
    invoice = account_methods.invoice
    credit_note = account_methods.credit_note
    offers = account_methods.offers
    checkout = account_methods.checkout

    # Organisations and trust

    organisations = account_methods.organisations
    organisation = account_methods.organisation
    found_organisation = account_methods.found_organisation
    end_organisation = account_methods.end_organisation
    invite = account_methods.invite
    accept_invitation = account_methods.accept_invitation
    set_member_role = account_methods.set_member_role
    remove_member = account_methods.remove_member
    lend_node = account_methods.lend_node
    take_node_back = account_methods.take_node_back
    trusted = account_methods.trusted
    trust = account_methods.trust
    distrust = account_methods.distrust

    # Uploads

    upload = job_methods.upload
    upload_all = job_methods.upload_all
    uploads = job_methods.uploads
    each_upload = job_methods.each_upload
    delete_upload = job_methods.delete_upload

    # Jobs

    preflight = job_methods.preflight
    quote = job_methods.quote
    dispatch = job_methods.dispatch
    jobs = job_methods.jobs
    each_job = job_methods.each_job
    job = job_methods.job
    watch = job_methods.watch
    wait = job_methods.wait
    cancel = job_methods.cancel
    retry = job_methods.retry
    pause = job_methods.pause
    resume = job_methods.resume
    rename = job_methods.rename
    stop = job_methods.stop
    change = job_methods.change
    video = job_methods.video

    # Units of a job

    units = job_methods.units
    each_unit = job_methods.each_unit
    unit = job_methods.unit
    retry_unit = job_methods.retry_unit

    # Events and logs

    events = job_methods.events
    event_page = job_methods.event_page
    job_log = job_methods.job_log

    # Webhooks

    hooks = job_methods.hooks
    create_hook = job_methods.create_hook
    change_hook = job_methods.change_hook
    rotate_hook = job_methods.rotate_hook
    delete_hook = job_methods.delete_hook
    deliveries = job_methods.deliveries
    replay = job_methods.replay

    # Results

    preview = result_methods.preview
    result = result_methods.result
    download = result_methods.download
    download_unit = result_methods.download_unit
    download_frames = result_methods.download_frames
    archive = result_methods.archive
    download_archive = result_methods.download_archive
    evidence = result_methods.evidence
    download_evidence = result_methods.download_evidence
    manifest = result_methods.manifest
    download_manifest = result_methods.download_manifest

    # Receipts, share links, disputes and the log

    receipt = result_methods.receipt
    share = result_methods.share
    share_links = result_methods.share_links
    each_share_link = result_methods.each_share_link
    revoke_share_link = result_methods.revoke_share_link
    dispute = result_methods.dispute
    download_check_picture = result_methods.download_check_picture
    download_dispute_picture = result_methods.download_dispute_picture
    disputes = result_methods.disputes
    each_dispute = result_methods.each_dispute
    work_disputes = result_methods.work_disputes
    each_work_dispute = result_methods.each_work_dispute
    answer_dispute = result_methods.answer_dispute
    log_checkpoint = result_methods.log_checkpoint
    entry_proof = result_methods.entry_proof
    verify_entry = result_methods.verify_entry

    # Nodes and earnings

    nodes = node_methods.nodes
    each_node = node_methods.each_node
    node = node_methods.node
    node_checks = node_methods.node_checks
    node_connections = node_methods.node_connections
    check_queue = node_methods.check_queue
    tell_node = node_methods.tell_node
    downloads = node_methods.downloads
    download_addon = node_methods.download_addon
    make_join_code = node_methods.make_join_code
    join_codes = node_methods.join_codes
    revoke_join_code = node_methods.revoke_join_code
    earnings = node_methods.earnings
    each_earning = node_methods.each_earning
    earning_sums = node_methods.earning_sums
    unpaid_results = node_methods.unpaid_results
    download_comparison = node_methods.download_comparison
    payouts = node_methods.payouts
    each_payout = node_methods.each_payout
    payout_rules = node_methods.payout_rules
    set_payout_rules = node_methods.set_payout_rules
    pay_out = node_methods.pay_out
    payout_account = node_methods.payout_account
    set_payout_account = node_methods.set_payout_account
    stop_payout_change = node_methods.stop_payout_change
    remove_payout_account = node_methods.remove_payout_account
    statement = node_methods.statement
    statement_document = node_methods.statement_document
