"""The Anchor actor: sends one blockchain transaction at a time, after storing it."""

import logging
from datetime import datetime, timedelta
from typing import Final

import attrs
from prometheus_client import Counter, Gauge

from actors.anchor.chain_check import ChainCheck, ChainChecker
from actors.anchor.messages import Anchor, AnchorDue
from actors.anchor.policy import (
    AnchorSettings,
    ConfirmedFinding,
    Situation,
    has_lost_anchors,
    is_due,
    may_send,
    needs_higher_fee,
    rows_to_look_up,
    situation_of,
)
from actors.kernel import Actor, Ref, fail_point, handles
from actors.ports import (
    Anchored,
    AnchorStore,
    Chain,
    ChainRefused,
    ChainState,
    ChainUnavailable,
    CheckpointSigner,
    Clock,
    Mined,
)
from actors.ports import Signed as SignedTransaction
from actors.sequencer.messages import ChainAgreement, Sequencer
from rendertrust.anchor_note import AnchorNote
from sql.anchors import CONFIRMED, FAILED, PENDING, SentRow, TransactionOutcome
from sql.database import Conflict, Unavailable

AWAY_SECONDS: Final = 15.0  # longest pause after an error
FAILED_AT_ONCE: Final = 16  # newest failed transactions that are looked up, in all their versions
LESS: Final = "less"  # key of the finding that the chain has fewer leaves than were confirmed
DEFAULT_SETTINGS: Final = AnchorSettings()
NO_OUTCOME: Final = TransactionOutcome()
ANCHORS: Final = Counter("rendertrust_anchors", "Anchors that were confirmed.")
ANCHORED: Final = Gauge("rendertrust_anchored_size", "Leaves of the log that are anchored.")
log = logging.getLogger("anchor")


class AnchorActor(Actor[Anchor]):
    """Writes the root hash of the newest checkpoint to the chain.

    Several gateways may share a sender account, as the database keeps transaction numbers unique.
    Transactions survive a crash: they are stored before they are sent, and a transaction that is in
    no block is sent again.
    """

    def __init__(
        self,
        chain: Chain,
        store: AnchorStore,
        clock: Clock,
        *,
        settings: AnchorSettings = DEFAULT_SETTINGS,
        sequencer: Ref[Sequencer] | None = None,
        signer: CheckpointSigner | None = None,
    ) -> None:
        """Prepare the actor. Without a ``signer``, other gateways must confirm the anchors."""
        self._chain, self._store, self._clock = chain, store, clock
        self._settings, self._sequencer, self._signer = settings, sequencer, signer
        self._witness = ChainChecker(chain, store)
        self._doubts = ConfirmedFinding(settings.doubt_seconds)
        self._sought_at: datetime | None = None  # when failed transactions were last looked up

    async def started(self) -> None:
        self.after(0.0, AnchorDue())

    @handles(AnchorDue)
    async def look(self, _: AnchorDue) -> None:
        wait = self._settings.every_seconds
        away = max(wait, min(AWAY_SECONDS, self._settings.anchor_seconds))
        try:
            await self.run_once()
        except (ChainUnavailable, Unavailable, Conflict) as error:
            log.warning("anchoring is paused: %s: %s", type(error).__name__, error)
            wait = away
        except ChainRefused as error:
            log.error("the chain refused a request: %s", error)
            wait = away
        self.after(wait, AnchorDue(), jitter=0.1)

    async def run_once(self) -> None:
        """Check sent transactions, and send an anchor or a higher fee if due.

        Raises the errors of the ports that it uses.
        """
        state = await self._chain.state()
        sent = await self._store.sent(state.chain_id, state.sender, state.nonce)
        situation = situation_of(state, sent)
        standing = await self._compare_with_log(state, situation.contract)
        if standing.halt is not None:
            return
        less = [LESS] if has_lost_anchors(situation, standing.newest) else []
        self._doubts.keep([*less, *map(_unknown, rows_to_look_up(situation))])
        for row in situation.lost:
            log.warning("the chain lost transaction %d; sending it again", row.nonce)
            await self._become(row, PENDING)
        moved = await self._has_moved(situation) or await self._found_failed(state)
        for row in situation.to_check:
            await self._check(row, state)
        for row in situation.unmined:
            await self._send_again(row)
        if may_send(situation) and not moved:
            await self._next(state, situation, standing)

    async def _compare_with_log(self, state: ChainState, contract: str | None) -> ChainCheck:
        """Compare the chain with the log; if they disagree, stop all writing and signing.

        The result is stored in the database, where the auditor finds it, and sent to the Sequencer.
        """
        standing = await self._witness.standing(state, contract, self._clock.now())
        if standing.newest is not None:
            ANCHORED.set(standing.newest.size)
        if standing.halt is None:
            await self._store.resume()
        else:
            log.error("%s", standing.halt.text)
            await self._store.halt(standing.halt)
        if self._sequencer is not None:
            self._sequencer.tell(ChainAgreement(holds=standing.halt is None))
        return standing

    async def _has_moved(self, situation: Situation) -> bool:
        """Set the newest confirmed transaction to PENDING, and return True, if the chain replaced
        its block.

        The blocks of earlier transactions may be replaced, too; the next run checks the newest of
        these transactions.
        """
        row = situation.newest_confirmed
        if row is None:
            return False
        found = await self._mined(row)
        if found is None and not self._is_gone(row):
            return False
        if found is not None and found[1].is_still_at(row.block_number, row.block_hash):
            return False
        log.warning("transaction %d is no longer in block %s", row.nonce, row.block_number)
        await self._become(row, PENDING)
        return True

    async def _found_failed(self, state: ChainState) -> bool:
        """Look for failed transactions on the chain, every ``doubt_seconds``; set the transactions
        found to PENDING, and return True if there are any.

        A transaction may have been marked as failed because a node of the chain lagged behind, or
        because its block was replaced.
        """
        now, every = self._clock.now(), timedelta(seconds=self._settings.doubt_seconds)
        if self._sought_at is not None and now - self._sought_at < every:
            return False
        named = (state.chain_id, state.sender, state.nonce)
        there = False
        for row in await self._store.failed(*named, FAILED_AT_ONCE):
            found = await self._mined(row)
            if found is not None and found[1].succeeded:
                log.warning("failed transaction %d is on the chain after all", row.nonce)
                await self._become(row, PENDING)
                there = True
        self._sought_at = now
        return there

    async def _mined(self, row: SentRow) -> tuple[str, Mined] | None:
        """Return the version of a transaction that is in a block, with the block.

        None if no version is in a block.
        """
        for name in reversed(row.hashes):
            mined = await self._chain.mined(name)
            if mined is not None:
                self._doubts.end(_unknown(row))
                return name, mined
        return None

    def _is_gone(self, row: SentRow) -> bool:
        """Return True once a transaction has been in no block for ``doubt_seconds``.

        One request is not enough, as a load balancer may send it to a node of the chain that lags
        behind.
        """
        if not self._doubts.last(_unknown(row), self._clock.now()):
            return False
        self._doubts.end(_unknown(row))
        return True

    async def _check(self, row: SentRow, state: ChainState) -> None:
        """Confirm or fail a transaction whose number the chain has used."""
        found = await self._mined(row)
        if found is None:
            if self._is_gone(row):
                await self._become(
                    row, FAILED, TransactionOutcome(error="another transaction has used its number")
                )
            return
        name, mined = found
        deep = state.block - mined.block + 1 >= self._settings.confirmations
        if not mined.succeeded:
            await self._become(row, FAILED, TransactionOutcome(error="the contract refused it"))
        elif deep and await self._chain.is_kept(mined):
            await self._confirm(row, name, mined, state.chain_id)

    async def _confirm(self, row: SentRow, name: str, mined: Mined, chain_id: int) -> None:
        """Confirm a transaction. For an anchor, sign and store an anchor note for proofs."""
        signed: str | None = None
        if row.size is not None and row.root is not None and row.origin is not None:
            if self._signer is None:
                return
            named = (row.contract, row.size, row.root, name, mined.block)
            signed = self._signer.sign_anchor(AnchorNote(row.origin, chain_id, *named))
        became = TransactionOutcome(mined.block, name, block_hash=mined.block_hash, note=signed)
        await self._become(row, CONFIRMED, became)

    async def _send_again(self, row: SentRow) -> None:
        """Send a transaction again; after ``rebid_seconds``, sign a version with a higher fee."""
        if needs_higher_fee(row, self._clock.now(), self._settings):
            signed = await self._signed(row, raised=len(row.hashes))
            if signed.hash != row.hashes[-1]:  # equal at the maximum fee
                now = self._clock.now()
                if not await self._store.rebid(row, signed.raw, signed.hash, now):
                    return
                row = attrs.evolve(row, raw=signed.raw, hashes=(*row.hashes, signed.hash))
        try:
            await self._chain.send(row.raw)
        except ChainRefused:
            if (await self._chain.state()).nonce <= row.nonce:
                raise
            # Another version is in a block; the next run finds it.

    async def _next(self, state: ChainState, situation: Situation, standing: ChainCheck) -> None:
        """Deploy the contract if there is none; otherwise anchor the newest checkpoint if that is
        due.
        """
        contract, newest = situation.contract, standing.newest
        if has_lost_anchors(situation, newest) and (
            await self._chain.state() != state or not self._doubts.last(LESS, self._clock.now())
        ):
            return  # wait until the loss is certain, or the lagging node has caught up
        if standing.strays:
            log.error("anchoring is paused: %s", unknown_contract_error(standing.strays[0][0]))
            return
        if contract is None or newest is None:
            signed = await self._chain.sign_deploy(state.nonce, await self._chain.bid())
            await self._keep_and_send(state, signed, str(signed.contract), None)
            return
        due = await self._store.due()
        if due is None or not self._settings.anchors:
            return
        now = self._clock.now()
        if newest.size < due[0] and is_due(situation, due[0], now, self._settings):
            anchor = Anchored(*due)
            bid = await self._chain.bid()
            signed = await self._chain.sign_anchor(contract, anchor, newest.root, state.nonce, bid)
            await self._keep_and_send(state, signed, contract, anchor)

    async def _keep_and_send(
        self, state: ChainState, signed: SignedTransaction, contract: str, anchor: Anchored | None
    ) -> None:
        row = SentRow(
            chain_id=state.chain_id,
            sender=state.sender,
            nonce=state.nonce,
            contract=contract,
            size=None if anchor is None else anchor.size,
            root=None if anchor is None else anchor.root,
            raw=signed.raw,
            hashes=(signed.hash,),
            state=PENDING,
            block_number=None,
            bid_at=self._clock.now(),
        )
        fail_point.reach("before_kept", [row])
        if not await self._store.keep(row):
            return  # another gateway was faster
        fail_point.reach("after_kept", [row])
        await self._chain.send(row.raw)
        fail_point.reach("after_sent", [row])

    async def _signed(self, row: SentRow, *, raised: int) -> SignedTransaction:
        bid = await self._chain.bid(raised)
        if row.size is None or row.root is None:
            return await self._chain.sign_deploy(row.nonce, bid)
        newest = await self._chain.newest(row.contract)
        previous = b"" if newest is None else newest.root
        anchor = Anchored(row.size, row.root)
        return await self._chain.sign_anchor(row.contract, anchor, previous, row.nonce, bid)

    async def _become(
        self, row: SentRow, state: str, became: TransactionOutcome = NO_OUTCOME
    ) -> None:
        fail_point.reach(f"before_{state.lower()}", [row])
        await self._store.become(row, state, self._clock.now(), became)
        fail_point.reach(f"after_{state.lower()}", [row])
        if state == CONFIRMED and row.size is not None:
            ANCHORS.inc()
            log.info("anchored %d leaves in block %s", row.size, became.block)
        if state == FAILED:
            log.error("transaction %d failed: %s", row.nonce, became.error)


def unknown_contract_error(contract: str) -> str:
    """Return the error text for a contract that has anchors of this log but no row in the
    database.
    """
    return (
        f"contract {contract} has anchors of this log, but the database does not know "
        "the contract: run `rendertrust chain reopen` to abandon it"
    )


def _unknown(row: SentRow) -> str:
    """Return the key of the finding that no version of the transaction is in a block."""
    return f"no form of {row.nonce}"
