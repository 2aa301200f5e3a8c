"""One object for everything in the database beside the books that routes and actors use."""

import attrs

from sql.account_deletion import AccountDeletion
from sql.account_export import AccountExport
from sql.anchors import Anchors
from sql.api_keys import ApiKeys
from sql.attempt_logs import AttemptLogs
from sql.audit_log import AuditLog
from sql.checks import EvidenceReads
from sql.credits import Credits
from sql.database import Database
from sql.device_logins import DeviceLogins
from sql.disputes import Disputes
from sql.earning_figures import EarningFigures
from sql.events import Events
from sql.identities import Identities, ProviderSignIns
from sql.invitations import Invitations
from sql.invoices import Invoices
from sql.jobs import Jobs
from sql.join_codes import JoinCodes
from sql.last_backup import LastBackups
from sql.login_sessions import Sessions
from sql.mails import Mails
from sql.multiparts import Multiparts, ResultMultiparts
from sql.node_connections import ConnectionRows
from sql.nodes import Nodes
from sql.operator_accounts import Operators
from sql.organisations import Organisations
from sql.passkeys import Passkeys
from sql.password_resets import PasswordResets
from sql.payout_accounts import PayoutAccounts
from sql.payout_rules import PayoutRules
from sql.preflights import Preflights
from sql.presets import Presets
from sql.prices import Prices
from sql.proofs import Proofs
from sql.purchases import Purchases
from sql.receipts import Receipts
from sql.related_jobs import RelatedJobs
from sql.retention import Retention
from sql.second_factors import PendingSignIns, SecondFactors
from sql.share_links import ShareLinks
from sql.skus import Skus
from sql.spending import Spending
from sql.thumbnails import Thumbnails
from sql.uploads import Uploads
from sql.users import AddressVerifications, Administration, Users
from sql.webhooks import Endpoints


@attrs.frozen
class Tables:
    """Reads and writes of the database, beside the books, for routes and actors."""

    account_deletion: AccountDeletion
    account_export: AccountExport
    address_verifications: AddressVerifications
    administration: Administration
    anchors: Anchors
    api_keys: ApiKeys
    attempt_logs: AttemptLogs
    audit: AuditLog
    connections: ConnectionRows
    credits: Credits
    device_logins: DeviceLogins
    disputes: Disputes
    earning_figures: EarningFigures
    endpoints: Endpoints
    events: Events
    evidence: EvidenceReads
    identities: Identities
    invitations: Invitations
    invoices: Invoices
    jobs: Jobs
    join_codes: JoinCodes
    last_backup: LastBackups
    mails: Mails
    multiparts: Multiparts
    nodes: Nodes
    operators: Operators
    organisations: Organisations
    passkeys: Passkeys
    password_resets: PasswordResets
    payout_accounts: PayoutAccounts
    payout_rules: PayoutRules
    pending_sign_ins: PendingSignIns
    preflights: Preflights
    presets: Presets
    prices: Prices
    proofs: Proofs
    provider_sign_ins: ProviderSignIns
    purchases: Purchases
    receipts: Receipts
    related_jobs: RelatedJobs
    result_multiparts: ResultMultiparts
    retention: Retention
    second_factors: SecondFactors
    sessions: Sessions
    share_links: ShareLinks
    skus: Skus
    spending: Spending
    thumbnails: Thumbnails
    uploads: Uploads
    users: Users

    @classmethod
    def over(cls, database: Database) -> "Tables":
        """Return all reads and writes over one database."""
        fields = attrs.fields_dict(cls)
        return cls(**{name: field.type(database) for name, field in fields.items() if field.type})
