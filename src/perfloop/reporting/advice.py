"""Advice on a database as entries in one order: what the terminal, the page, Markdown and JUnit show of it."""

from __future__ import annotations

import re
from collections.abc import Sequence  # noqa: TC003  # a Struct's types are read at run time
from typing import TYPE_CHECKING

from msgspec import Struct

from perfloop.units import format_bytes, format_duration

from . import figures
from .workload import place_in_words, saving_in_words

if TYPE_CHECKING:
    from perfloop.records import AdviceRecord, AdvisedIndex, NPlusOne, Proof, QueryAdvice, WriteBill

__all__ = ["AdviceEntry", "advice_entries", "advice_in_words", "not_looked_at", "not_worth_doing", "worth_checking"]

_LONGEST_STATEMENT = 160
_STATEMENTS_SHOWN = 3
_CUT = 100
"""Characters: a shorter statement is whole where it is named."""
_NO_TABLE = re.compile(r"(.*): (it reads no table of this \w+|no SELECT, INSERT, UPDATE or DELETE)$", re.DOTALL)
_WORTH = ("faster",)
_JOINED = "each row is wider by the columns of what it belongs to"
_AT_ONCE = "one statement with a list of keys, and all its rows in memory at once"
_LOADER_COSTS = {
    "joinedload": _JOINED,
    "select_related": _JOINED,
    "selectinload": _AT_ONCE,
    "prefetch_related": _AT_ONCE,
    "batch": _AT_ONCE,
}
_WRITTEN = {
    "captured": "the workload's own rows, with fresh keys",
    "held back": "the table's newest rows",
    "generated": "copies of the newest rows",
}
_NOT_WORTH = ("no difference", "slower", "rejected")


class AdviceEntry(Struct, frozen=True):
    """One thing to do."""

    title: str
    gain: str
    """In words; empty where it cannot be put into figures."""
    share: float | None
    """Of the workload's cost or time; what the entries are sorted by."""
    why: str
    proof: Sequence[str]
    costs: Sequence[str]
    do: Sequence[str]
    """Statements to carry out, or what to write."""
    instead: Sequence[str] = ()
    """Other ways to the same end."""
    brief: str = ""
    """The gain in few words, where `gain` has many."""


def advice_entries(record: AdviceRecord) -> list[AdviceEntry]:
    """What is worth doing: what need not be asked, then by the share of the workload, then what has none."""
    found: list[AdviceEntry] = []
    if record.indexes is not None:
        whole = record.indexes.cost_before
        counted = record.indexes.checked_with == "executions"
        waits = record.dialect == "postgresql"
        found += [_index(each, whole, counted=counted, waits=waits) for each in record.indexes.advised]
        found += [
            AdviceEntry(
                title=f"drop the {each.kind} index {figures.clean(each.name)} on {figures.clean(each.table)}",
                gain=f"{format_bytes(each.size_bytes)} and its share of each write",
                share=None,
                why=figures.clean(each.reason),
                proof=[]
                if each.workload_cost_change is None
                else [f"without it the workload's cost changes by {figures.share(each.workload_cost_change)}"],
                costs=[f"it comes back by {figures.clean(each.create_sql)}"],
                do=[f"{each.drop_sql};"],
            )
            for each in record.indexes.droppable
        ]
    total = record.workload.total_ms
    found += [_query(each, total) for each in record.queries if each.proof is None or _is_worth(each)]
    order = sorted(range(len(found)), key=lambda place: (-(found[place].share or 0.0), place))
    repeated = sorted(record.n_plus_one, key=lambda each: -each.statements_saved)
    return [*map(_repeated, repeated), *(found[place] for place in order)]


def worth_checking(record: AdviceRecord) -> list[str]:
    """Statements that may answer another question than the one that was meant, each with what shows it."""
    found = []
    for each in record.queries:
        if _is_doubtful(each) and each.proof is not None:
            evidence = ": " + ", ".join(map(figures.clean, each.evidence)) if each.evidence else ""
            ways = "".join(f". {figures.sentence(figures.clean(other.what))}" for other in each.alternatives)
            found.append(
                f"{_statement(each.fingerprint)}: {figures.clean(each.what)}{evidence}. NOT EXISTS would answer "
                f"otherwise: {figures.clean(each.proof.reason.removeprefix('another answer: '))}{_counterexample(each)}"
                f"{ways}"
            )
    return found


def not_looked_at(record: AdviceRecord) -> list[str]:
    """What was left out; statements that no database is needed for together, each statement once."""
    alike: dict[str, list[str]] = {}
    others = []
    for line in record.left_out:
        if found := _NO_TABLE.match(line):
            alike.setdefault(found[2], []).append(found[1])
        else:
            others.append(line)
    known = [text for texts in alike.values() for text in texts]
    others = [line for line in others if not any(_is_of(line, text) for text in known)]
    lines = []
    for reason, texts in alike.items():
        more = f" and {figures.plural(len(texts) - 1, 'other')}" if len(texts) > 1 else ""
        lines.append(f"{_statement(texts[0])}{more}: {reason}")
    return [*others, *lines]


def _is_of(line: str, statement: str) -> bool:
    """The line is of that statement, which may have been cut."""
    return line.startswith(f"{statement}: ") or (len(statement) >= _CUT and line.startswith(statement))


def not_worth_doing(record: AdviceRecord) -> list[str]:
    """What was tried and is not worth doing, or wrong, each with its reason; and what is right as it is."""
    found = []
    for each in record.queries:
        if each.proof is not None and each.proof.verdict in _NOT_WORTH and not _is_doubtful(each):
            judged = f"{each.proof.verdict}, {figures.clean(each.proof.reason)}{_counterexample(each)}"
            found.append(f"{_statement(each.fingerprint)}: {figures.clean(each.what)} – {judged}")
    if record.indexes is not None:
        found += [
            f"{_statement(each.fingerprint)}: no index for {figures.clean(each.table)}, {figures.clean(each.reason)}"
            for each in record.indexes.sequential_scans
        ]
    return found


def advice_in_words(record: AdviceRecord) -> str:
    """What was looked at, and where: `PostgreSQL 15.14 · 14 statements, 48,210 calls · tried on …`."""
    name = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}[record.dialect]
    source = {"service": "the service", "log": "log files", "sql": "a file"}.get(
        record.workload.source, record.workload.source
    )
    statements = figures.plural(record.workload.statements, "statement")
    calls = figures.plural(record.workload.calls, "call")
    asked = f"{statements} from {source}, {calls}"
    return f"{name} {figures.clean(record.version)} · {asked} · tried on {figures.clean(record.clone)}"


def _is_worth(each: QueryAdvice) -> bool:
    return each.proof is None or each.proof.verdict not in _NOT_WORTH


def _is_doubtful(each: QueryAdvice) -> bool:
    """NOT IN that NULLs make another question of: rejected, the rewrite is what was mostly meant."""
    return each.rule == "not-in-nulls" and each.proof is not None and each.proof.verdict == "rejected"


def _repeated(each: NPlusOne) -> AdviceEntry:
    proof = [f"issued at {place_in_words(each.place, shown=True) or 'no line of your own'}"]
    if each.loop is not None:
        proof.append(f"repeated by the loop at {place_in_words(each.loop, shown=True)}")
    proof += [f"also at {place_in_words(other)}" for other in each.other_places]
    what = figures.clean(each.relationship) if each.relationship else "these rows"
    route = f" on {figures.clean(each.route)}" if each.route else ""
    return AdviceEntry(
        title=f"load {what} at once: N+1{route}",
        gain=saving_in_words(each),
        brief=f"{figures.plural(each.statements_saved, 'statement')} less a request",
        share=None,
        why=f"{each.calls} × {_statement(each.statement)}",
        proof=proof,
        costs=[_LOADER_COSTS[each.loader]],
        do=[figures.clean(each.advice)],
    )


def _index(each: AdvisedIndex, whole: float, *, counted: bool, waits: bool) -> AdviceEntry:
    share = (each.cost_before - each.cost_after) / whole if whole > 0 else None
    keys = ", ".join(map(figures.clean, each.keys))
    more = f" including {', '.join(map(figures.clean, each.include))}" if each.include else ""
    where = f" where {figures.clean(each.where)}" if each.where else ""
    proof = []
    if counted:
        steps = f"{figures.number(each.cost_before)} → {figures.number(each.cost_after)}"
        proof.append(f"the workload takes {steps} of SQLite's steps with it, counted")
    if each.buffers_after is not None:
        before = "more than could be waited for" if each.buffers_before is None else figures.number(each.buffers_before)
        proof.append(f"the workload touches {before} → {figures.number(each.buffers_after)} pages with it, measured")
    for gain in each.statements[:_STATEMENTS_SHOWN]:
        if gain.buffers_before is not None and gain.buffers_after is not None:
            was, now = figures.number(gain.buffers_before), figures.number(gain.buffers_after)
            proof.append(f"{was} → {now} pages: {_statement(gain.fingerprint)}")
        else:
            was, now = figures.number(gain.cost_before), figures.number(gain.cost_after)
            proof.append(f"cost {was} → {now}: {_statement(gain.fingerprint)}")
    costs = [
        f"{format_bytes(each.size_bytes)}, built in {format_duration(each.build_seconds)}",
        *_bill(each.write_bill),
    ]
    if waits and "CONCURRENTLY" not in each.create_sql:
        costs.insert(1, "writers of the table wait while it is built: a partitioned one takes no CONCURRENTLY")
    method = "" if each.method == "btree" else f" {figures.clean(each.method)}"
    return AdviceEntry(
        title=f"build a{method or 'n'} index on {figures.clean(each.table)} ({keys}){more}{where}",
        gain="" if share is None else f"{figures.share(share)} of the workload's cost",
        share=share,
        why=figures.clean(each.reason),
        proof=proof,
        costs=costs,
        do=[*(f"CREATE EXTENSION IF NOT EXISTS {name};" for name in each.requires), f"{each.create_sql};"],
    )


def _bill(bill: WriteBill) -> list[str]:
    if bill.insert_us is None and bill.update_us is None:
        return [f"write bill not measured{f': {figures.clean(bill.why_not)}' if bill.why_not else ''}"]
    lines = []
    beside = f", beside {', '.join(map(figures.clean, bill.beside))}" if bill.beside else ""
    for what, added, interval, wal, source in (
        ("insert", bill.insert_us, bill.insert_us_interval, bill.insert_wal_bytes, bill.source),
        ("update", bill.update_us, bill.update_us_interval, bill.update_wal_bytes, bill.update_source),
    ):
        if added is not None:
            span = f" ({figures.number(interval[0])}–{figures.number(interval[1])})" if interval else ""
            log = "" if wal is None else f", {wal:+,.0f} B of WAL"
            lines.append(f"{added:+,.1f} µs{span} an {what}{log}{beside}: {_WRITTEN[source]}")
    if bill.lost_hot_share > 0:
        columns = ", ".join(map(figures.clean, bill.lost_hot_columns))
        lines.append(
            f"{figures.share(bill.lost_hot_share)} of updates can no longer stay in their page: they set {columns}"
        )
    return lines


def _ratio(proof: Proof) -> tuple[float | None, str]:
    """Time of the rewrite ÷ time of the original; where the original was ended, the most that it can be."""
    if proof.ratio is not None:
        return proof.ratio[1], ""
    if proof.after_ms is None:
        return None, ""
    if proof.before_ms is None:
        return (proof.after_ms / proof.ended_ms, "more than ") if proof.ended_ms else (None, "")
    return (proof.after_ms / proof.before_ms, "about ") if proof.before_ms else (None, "")


def _times(proof: Proof) -> str | None:
    if proof.before_ms is None and proof.after_ms is None:
        return None
    words = [
        figures.milliseconds(took) if took is not None else f"more than {figures.milliseconds(proof.ended_ms)}"
        for took in (proof.before_ms, proof.after_ms)
    ]
    return " → ".join(words)


def _query(each: QueryAdvice, total: float) -> AdviceEntry:
    proof, share, gain = each.proof, None, ""
    lines = [figures.clean(line) for line in each.evidence]
    if proof is not None:
        lines.append(f"{proof.verdict}: {figures.clean(proof.reason)}")
        if proof.datasets:
            caught = (
                ""
                if proof.mutants_caught is None
                else ", {} of {} wrong variants told apart".format(*proof.mutants_caught)
            )
            lines.append(f"same answers on {figures.plural(proof.datasets, 'generated set')} of rows{caught}")
        times = _times(proof)
        if times is not None:
            lines.append(times)
        if proof.before_buffers is not None and proof.after_buffers is not None:
            lines.append(f"{proof.before_buffers:,} → {proof.after_buffers:,} pages")
        lines += [f"taken for granted: {figures.clean(each)}" for each in proof.assumptions]
        if proof.verdict in _WORTH:
            ratio, at_least = _ratio(proof)
            gain = f"{at_least}{figures.number(1 / ratio)} times faster" if ratio else ""
            share = (1 - ratio) * each.total_ms / total if total > 0 and ratio is not None else None
    return AdviceEntry(
        title=f"{figures.clean(each.what)}",
        gain=gain,
        share=share,
        why=_statement(each.fingerprint),
        proof=lines,
        costs=[figures.clean(line) for line in each.costs],
        do=[*(f"{need};" for need in each.needs), *([figures.clean(each.rewrite)] if each.rewrite else [])],
        instead=[
            figures.clean(other.what) + (f": {figures.clean(other.sql)}" if other.sql else "")
            for other in each.alternatives
        ],
    )


def _counterexample(each: QueryAdvice) -> str:
    found = each.proof.counterexample if each.proof is not None else None
    if found is None:
        return ""
    rows = [f"only the original gives ({', '.join(row)})" for row in found.only_original[:1]]
    rows += [f"only the rewrite gives ({', '.join(row)})" for row in found.only_rewrite[:1]]
    told = [found.what] if each.proof is not None and found.what not in each.proof.reason else []
    what = figures.clean("; ".join([*told, *rows]))
    return f"; {what}" if what else ""


def _statement(text: str) -> str:
    return figures.statement(text, _LONGEST_STATEMENT)
