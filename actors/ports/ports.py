"""All ports of a gateway in one object."""

from typing import TYPE_CHECKING

import attrs

from actors.ports.bus import Bus
from actors.ports.chain import Chain
from actors.ports.clock import Clock
from actors.ports.leadership import Leadership
from actors.ports.mail import MailTransport
from actors.ports.objects import Objects
from actors.ports.payments import Payments
from actors.ports.provider_http import ProviderHttp
from actors.ports.randomness import Random
from actors.ports.signing import LogSigner, NodeTokens
from actors.ports.store import AnchorStore, LogMemory, LogStore, Store
from actors.ports.webhooks import Post

if TYPE_CHECKING:
    from sql.mails import Mails
    from sql.webhooks import Deliveries


@attrs.frozen
class Ports:
    """All interfaces to outside systems, for the actors and the routes of a gateway.

    ``store`` has the books, ``log`` the transparency log, ``anchors`` the transactions that were
    sent to ``chain``, ``deliveries`` the webhooks that ``post`` sends, and ``mails`` the mails that
    ``mail`` sends. ``memory`` keeps the newest checkpoint outside the database. ``leadership``
    decides which gateway does a task that only one gateway should do.
    """

    clock: Clock
    random: Random
    store: Store
    log: LogStore
    objects: Objects
    bus: Bus
    tokens: NodeTokens
    signer: LogSigner
    payments: Payments
    post: Post
    leadership: Leadership
    memory: LogMemory
    chain: Chain | None = None  # if None, nothing is anchored
    anchors: AnchorStore | None = None
    deliveries: "Deliveries | None" = None  # if None, no webhooks are sent
    mail: MailTransport | None = None  # if None, no mail is sent
    mails: "Mails | None" = None
    providers: ProviderHttp | None = None  # if None, no provider of OpenID Connect is asked
