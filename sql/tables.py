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
from sql.disputes import Disputes
from sql.events import Events
from sql.invitations import Invitations
from sql.jobs import Jobs
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
from sql.preflights import Preflights
from sql.prices import Prices
from sql.proofs import Proofs
from sql.purchases import Purchases
from sql.receipts import Receipts
from sql.retention import Retention
from sql.second_factors import PendingSignIns, SecondFactors
from sql.skus import Skus
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
    disputes: Disputes
    endpoints: Endpoints
    events: Events
    evidence: EvidenceReads
    invitations: Invitations
    jobs: Jobs
    last_backup: LastBackups
    mails: Mails
    multiparts: Multiparts
    nodes: Nodes
    operators: Operators
    organisations: Organisations
    passkeys: Passkeys
    password_resets: PasswordResets
    pending_sign_ins: PendingSignIns
    preflights: Preflights
    prices: Prices
    proofs: Proofs
    purchases: Purchases
    receipts: Receipts
    result_multiparts: ResultMultiparts
    retention: Retention
    second_factors: SecondFactors
    sessions: Sessions
    skus: Skus
    thumbnails: Thumbnails
    uploads: Uploads
    users: Users

    @classmethod
    def over(cls, database: Database) -> "Tables":
        """Return all reads and writes over one database."""
        fields = attrs.fields_dict(cls)
        return cls(**{name: field.type(database) for name, field in fields.items() if field.type})
