"""Broken fixes that chunk7 must catch, one file each: its story, its code, its shortest failure.

To add one: write the file, name it here with the layers that must catch it, and add its line to
the table in docs/exploration.md (a test compares the two). To try one by hand:

    PYTHONPATH=tests chunk7 run --connect tests/mutants/NAME.py:NAME --write atomic_lua
"""

from mutants import (
    adds_up_where_it_was,
    asks_only_once,
    begins_at_the_last_beginning,
    clears_at_the_end,
    compares_ids_as_text,
    counts_behind_the_dash,
    dedup_on_index_alone,
    dollar_reread,
    forgetful_release,
    high_water_mark,
    history_up_to_an_old_head,
    keeps_the_latest_copy,
    numbers_by_place,
    numbers_each_answer_anew,
    pokes_before_it_saves,
    publish_before_save,
    reads_the_tail_last,
    released_before_the_history,
    releases_from_the_tail,
    rereads_before_the_confirmation,
    rereads_behind_a_count,
    reset_sequence_after_restart,
    resumes_from_the_newest,
    starts_before_it_listens,
    tail_hole,
    trim_too_short,
    two_subscriptions,
    unconfirmed_subscribe,
)
from mutants.mutant import Mutant

MUTANTS: dict[str, Mutant] = {
    "adds_up_where_it_was": adds_up_where_it_was.MUTANT,
    "asks_only_once": asks_only_once.MUTANT,
    "begins_at_the_last_beginning": begins_at_the_last_beginning.MUTANT,
    "clears_at_the_end": clears_at_the_end.MUTANT,
    "compares_ids_as_text": compares_ids_as_text.MUTANT,
    "counts_behind_the_dash": counts_behind_the_dash.MUTANT,
    "dedup_on_index_alone": dedup_on_index_alone.MUTANT,
    "dollar_reread": dollar_reread.MUTANT,
    "forgetful_release": forgetful_release.MUTANT,
    "high_water_mark": high_water_mark.MUTANT,
    "history_up_to_an_old_head": history_up_to_an_old_head.MUTANT,
    "keeps_the_latest_copy": keeps_the_latest_copy.MUTANT,
    "numbers_by_place": numbers_by_place.MUTANT,
    "numbers_each_answer_anew": numbers_each_answer_anew.MUTANT,
    "pokes_before_it_saves": pokes_before_it_saves.MUTANT,
    "publish_before_save": publish_before_save.MUTANT,
    "reads_the_tail_last": reads_the_tail_last.MUTANT,
    "released_before_the_history": released_before_the_history.MUTANT,
    "releases_from_the_tail": releases_from_the_tail.MUTANT,
    "rereads_before_the_confirmation": rereads_before_the_confirmation.MUTANT,
    "rereads_behind_a_count": rereads_behind_a_count.MUTANT,
    "reset_sequence_after_restart": reset_sequence_after_restart.MUTANT,
    "resumes_from_the_newest": resumes_from_the_newest.MUTANT,
    "starts_before_it_listens": starts_before_it_listens.MUTANT,
    "tail_hole": tail_hole.MUTANT,
    "trim_too_short": trim_too_short.MUTANT,
    "two_subscriptions": two_subscriptions.MUTANT,
    "unconfirmed_subscribe": unconfirmed_subscribe.MUTANT,
}

EXPLORE, SIMULATE, RUN = "explore", "simulate", "run"

CAUGHT_BY: dict[str, frozenset[str]] = {
    "adds_up_where_it_was": frozenset({EXPLORE}),
    "asks_only_once": frozenset({EXPLORE}),
    "begins_at_the_last_beginning": frozenset({EXPLORE}),
    "clears_at_the_end": frozenset({EXPLORE}),
    "compares_ids_as_text": frozenset({EXPLORE}),
    "counts_behind_the_dash": frozenset({EXPLORE}),
    "dedup_on_index_alone": frozenset({EXPLORE}),
    "dollar_reread": frozenset({EXPLORE, SIMULATE, RUN}),
    "forgetful_release": frozenset({EXPLORE, SIMULATE, RUN}),
    "high_water_mark": frozenset({EXPLORE}),
    "history_up_to_an_old_head": frozenset({EXPLORE, SIMULATE, RUN}),
    "keeps_the_latest_copy": frozenset({EXPLORE}),
    "numbers_by_place": frozenset({EXPLORE}),
    "numbers_each_answer_anew": frozenset({EXPLORE}),
    "pokes_before_it_saves": frozenset({EXPLORE}),
    "publish_before_save": frozenset({EXPLORE, SIMULATE, RUN}),
    "reads_the_tail_last": frozenset({EXPLORE, SIMULATE, RUN}),
    "released_before_the_history": frozenset({EXPLORE, SIMULATE, RUN}),
    "releases_from_the_tail": frozenset({EXPLORE, SIMULATE, RUN}),
    "rereads_before_the_confirmation": frozenset({EXPLORE}),
    "rereads_behind_a_count": frozenset({EXPLORE}),
    "reset_sequence_after_restart": frozenset({EXPLORE, RUN}),
    "resumes_from_the_newest": frozenset({EXPLORE}),
    "starts_before_it_listens": frozenset({EXPLORE}),
    "tail_hole": frozenset({EXPLORE}),
    "trim_too_short": frozenset({EXPLORE, RUN}),
    "two_subscriptions": frozenset({EXPLORE, RUN}),
    "unconfirmed_subscribe": frozenset({EXPLORE, SIMULATE}),
}
"""Which layers must catch a mutant. Only what a test holds is claimed here."""
