"""Options of `explore` that become fields of every cell; each says nothing unless it is given."""

import argparse
from typing import Any

from chunk7.cluster.options import names, whole
from chunk7.delivery.clients import CLIENTS
from chunk7.delivery.contract import Contract
from chunk7.delivery.errors import UsageError
from chunk7.delivery.life import MAX_OVERLAP, MAX_WRITERS, ProducerLife, Retry
from chunk7.delivery.replica import Replica
from chunk7.wire.options import Parser

TERMS = ("writers", "overlap", "retry", "replica", "client", "contract")
_REPLY = "producer_timeout"


def add_terms(parser: Parser) -> None:
    """--writers, --overlap, --retry, --replica, --client, --contract."""
    parser.add_argument(
        "--writers",
        type=whole("--writers", 1, MAX_WRITERS),
        metavar="N",
        help="producers that write the session's chunks in turn, each at its own pace (default: 1)",
    )
    parser.add_argument(
        "--overlap",
        type=whole("--overlap", 1, MAX_OVERLAP),
        metavar="N",
        help="chunks that a producer may have under way at once (default: 1)",
    )
    parser.add_argument(
        "--retry",
        metavar="HOW",
        help=f"what a producer does that hears no reply ({_REPLY}): {', '.join(Retry)}, as to the "
        "chunk's number (default: it gives the chunk up)",
    )
    parser.add_argument(
        "--replica",
        type=replica,
        metavar="WHAT",
        help="what nodes use a replica for that is behind: history (all reads), all (Pub/Sub, too)",
    )
    parser.add_argument(
        "--client",
        metavar="NAME",
        help=f"every client's policy: {', '.join(CLIENTS)}, or path/to/file.py:Name (default: "
        "the connect ordering's)",
    )
    parser.add_argument(
        "--contract",
        type=contract,
        metavar="WHAT",
        help=f"what is due to each client: {', '.join(Contract)} (default: {Contract.WHOLE})",
    )


def contract(text: str) -> Contract:
    """--contract. Raises UsageError."""
    if text not in list(Contract):
        raise UsageError(f"--contract {text}: one of {', '.join(Contract)}")
    return Contract(text)


def replica(text: str) -> Replica:
    """--replica. Raises UsageError."""
    if text not in list(Replica):
        raise UsageError(f"--replica {text}: one of {', '.join(Replica)}")
    return Replica(text)


def terms(args: argparse.Namespace) -> dict[str, Any]:
    """The fields of `ExploreCell`. Raises UsageError."""
    retry = args.retry
    if retry is not None and retry not in list(Retry):
        raise UsageError(f"--retry {retry}: one of {', '.join(Retry)}")
    if retry is not None and not args.survival and not _loses_a_reply(args.faults):
        raise UsageError(f"--retry {retry}: needs --faults {_REPLY}, for no other loses a reply")
    life = ProducerLife(
        args.writers or 1, args.overlap or 1, None if retry is None else Retry(retry)
    )
    return {
        "life": life,
        "replica": args.replica,
        "client": args.client,
        "contract": args.contract or Contract.WHOLE,
    }


def in_words(terms: dict[str, Any]) -> str:
    """The terms for a heading, each with a comma before it."""
    life: ProducerLife = terms["life"]
    writers = f", {life.writers} producers" if life.writers > 1 else ""
    overlap = f", {life.overlap} chunks under way at once" if life.overlap > 1 else ""
    retry = f", retry: {life.retry}" if life.retry else ""
    replica = f", a replica for {terms['replica']}" if terms["replica"] else ""
    client = f", client: {terms['client']}" if terms["client"] else ""
    due: Contract = terms["contract"]
    whole = "" if due is Contract.WHOLE else f", due to clients: {due}"
    return f"{writers}{overlap}{retry}{replica}{client}{whole}"


def _loses_a_reply(faults: list[str] | None) -> bool:
    return any(name.partition("*")[0] == _REPLY for name in names(faults))
