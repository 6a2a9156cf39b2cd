"""Rules say which command is whose read, subscription or publication."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chunk7.delivery.errors import UsageError
from chunk7.instruments.steer.rules import Match, Role, Rule, Rules, parse_option, parse_rule
from chunk7.instruments.watch.patterns import SESSION, Patterns, patterns

NAMED = Rules.of_patterns(patterns(["h:{session_id}"], ["c:{session_id}:live"], ["s:{session_id}"]))


def said(rules: Rules, command: str) -> list[Match]:
    """What a command, written with blanks, is."""
    name, *args = command.split()
    return rules.matches(name, [arg.encode() for arg in args])


@pytest.mark.parametrize(
    ("command", "role"),
    [
        ("LRANGE h:7 0 -1", Role.READ),
        ("ZRANGEBYSCORE h:7 0 9", Role.READ),
        ("RPUSH h:7 text", Role.SAVE),
        ("SUBSCRIBE c:7:live", Role.SUBSCRIBE),
        ("SSUBSCRIBE c:7:live", Role.SUBSCRIBE),
        ("PSUBSCRIBE c:7:live", Role.SUBSCRIBE),  # no wildcard in it: that one session
        ("UNSUBSCRIBE c:7:live", Role.LEAVE),
        ("PUBLISH c:7:live text", Role.PUBLISH),
        ("XADD s:7 * data text", Role.APPEND),
        ("XADD h:7 * data text", Role.SAVE),  # a history may be a stream that nobody follows
        ("XRANGE s:7 - +", Role.READ),
        ("XREVRANGE s:7 + - COUNT 1", Role.READ),
        ("XINFO STREAM s:7", Role.READ),
        ("XREAD COUNT 9 STREAMS s:7 0", Role.READ),
        ("XREAD BLOCK 0 STREAMS s:7 0", Role.FOLLOW),  # waits
        ("XREAD STREAMS s:7 5-1", Role.FOLLOW),  # goes on from somewhere, polling
        ("XREAD BLOCK 0 STREAMS other s:7 $ $", Role.FOLLOW),
        ("XREADGROUP GROUP g c STREAMS s:7 >", Role.FOLLOW),
        ("XREADGROUP GROUP g c STREAMS s:7 0", Role.READ),
        ("XGROUP CREATE s:7 g $", Role.FOLLOW),
        ("XREAD COUNT 9 STREAMS h:7 5-1", Role.READ),  # of a stream that nobody follows
        ("EVAL_RO script 1 h:7", Role.READ),
    ],
)
def test_a_command_is_what_its_form_says(command: str, role: Role) -> None:
    assert said(NAMED, command) == [Match(role, "7")]


@pytest.mark.parametrize(
    "command",
    [
        *("LRANGE other:7 0 -1", "GET c:7:live", "RPUSH c:7:live text", "PUBLISH h:7 text"),
        *("DEL h:7", "EXPIRE h:7 60", "PING", "XREAD", "XREAD STREAMS", "EVALSHA sha", "SUBSCRIBE"),
        *("RPUSH other h:7", "XINFO HELP", "XREAD BLOCK 0 STREAMS h:7 5-1", "XADD", "HELLO 3"),
    ],
)
def test_what_is_nothing_to_a_join_or_a_chunk_matches_nothing(command: str) -> None:
    assert said(NAMED, command) == []


@pytest.mark.parametrize("name", ["c:*", "c:*:live", "*", "c:?:live", "c:[0-9]:live"])
def test_a_subscription_to_many_sessions_has_no_session_of_its_own(name: str) -> None:
    assert said(NAMED, f"PSUBSCRIBE {name}") == [Match(Role.SUBSCRIBE, None)]
    assert said(NAMED, f"PUNSUBSCRIBE {name}") == [Match(Role.LEAVE, None)]
    assert said(NAMED, "PSUBSCRIBE d:*") == []


def test_of_a_wide_subscription_the_session_is_known_where_it_stands_in_the_name() -> None:
    events = Rules((Rule(Role.SUBSCRIBE, "*", "c:{session_id}:*"),))
    assert said(events, "PSUBSCRIBE c:7:*") == [Match(Role.SUBSCRIBE, "7")]
    assert said(events, "PSUBSCRIBE c:*:*") == [Match(Role.SUBSCRIBE, None)]


def test_who_unsubscribes_without_a_name_leaves_all() -> None:
    assert said(NAMED, "UNSUBSCRIBE") == [Match(Role.LEAVE, None)]


def test_one_subscribe_is_one_for_each_of_its_channels() -> None:
    both = [Match(Role.SUBSCRIBE, "7"), Match(Role.SUBSCRIBE, "8")]
    assert said(NAMED, "SUBSCRIBE c:7:live noise c:8:live c:7:live") == both


def test_a_transaction_is_all_that_was_queued_and_a_script_what_it_names() -> None:
    block = [("RPUSH", (b"h:7", b"text")), ("EXPIRE", (b"h:7", b"9"))]
    block += [("PUBLISH", (b"c:7:live", b"text"))]
    both = [Match(Role.SAVE, "7"), Match(Role.PUBLISH, "7")]
    assert NAMED.of_passage("EXEC", (), block) == both
    assert NAMED.of_passage("EXEC", ()) == []  # DISCARDed, or of other things
    assert said(NAMED, "EVALSHA sha 3 seq:7 h:7 c:7:live 60 text") == both
    assert said(NAMED, "EVAL script 1 h:7 c:7:live text") == both  # the channel as an argument
    assert said(NAMED, "EVALSHA sha 1 s:7 text") == [Match(Role.APPEND, "7")]


def test_our_own_names_are_a_channel_and_a_stream_at_once_and_a_script_publishes() -> None:
    ours = Rules.of_patterns(Patterns())
    script = "EVALSHA sha 3 chat:seq:7 chat:history:7 chat:stream:7 60 text"
    assert said(ours, script) == [Match(Role.SAVE, "7"), Match(Role.PUBLISH, "7")]
    assert said(ours, "XADD chat:stream:7 * c text") == [Match(Role.APPEND, "7")]
    assert said(ours, "PUBLISH chat:stream:7 text") == [Match(Role.PUBLISH, "7")]


def test_a_rule_that_names_its_command_goes_before_those_for_any() -> None:
    rules = NAMED.plus([parse_rule("--read", Role.READ, "EVALSHA h:{session_id}")])
    assert said(rules, "EVALSHA sha 1 h:7") == [Match(Role.READ, "7")]
    assert said(rules, "EVAL text 1 h:7") == [Match(Role.SAVE, "7")]


def test_a_rule_may_name_a_command_that_nobody_knows_and_any_of_its_arguments() -> None:
    rules = Rules((parse_rule("--read", Role.READ, "ft.search @session:{session_id}"),))
    assert said(rules, "FT.SEARCH index @session:7") == [Match(Role.READ, "7")]
    assert said(rules, "FT.EXPLAIN index @session:7") == []


def test_a_rule_may_take_a_read_from_somewhere_for_a_read_and_never_one_that_waits() -> None:
    rules = NAMED.plus([parse_rule("--read", Role.READ, "XREAD s:{session_id}")])
    assert said(rules, "XREAD STREAMS s:7 5-1") == [Match(Role.READ, "7")]
    assert said(rules, "XREAD BLOCK 0 STREAMS s:7 5-1") == [Match(Role.FOLLOW, "7")]


def test_a_name_may_be_of_no_session() -> None:
    rules = Rules((parse_rule("--publish", Role.PUBLISH, "PUBLISH socket.io#*"),))
    assert said(rules, "PUBLISH socket.io#/#room text") == [Match(Role.PUBLISH, None)]


def test_the_session_may_stand_behind_a_name_that_is_everybodys() -> None:
    """socket.io writes all rooms into one stream: an answer that went on from an earlier try was
    counted as chunks of this one, and every schedule was called infeasible."""
    room = """XADD socket.io *"rooms":["{session_id}"]*"""
    rules = Rules((parse_rule("--publish", Role.PUBLISH, room),))
    entry = """XADD socket.io MAXLEN ~ 9 * data {"data":["7"],"opts":{"rooms":["8"],"x":[]}}"""
    assert said(rules, entry) == [Match(Role.PUBLISH, "8")]
    assert said(rules, """XADD other * data {"rooms":["8"]}""") == []
    assert rules.options() == [f"--publish '{room}'"]


def test_what_stands_behind_a_name_must_fit_from_end_to_end() -> None:
    rules = Rules((parse_rule("--read", Role.READ, "XRANGE all * +"),))
    assert said(rules, "XRANGE all 5-1 +") == [Match(Role.READ, None)]
    assert said(rules, "XRANGE all 5-1 5-1") == []
    assert said(rules, "XRANGE all") == []


def test_a_match_names_the_rule_that_would_state_it() -> None:
    (match,) = said(NAMED, "LRANGE h:7 0 -1")
    assert match.rule is not None
    assert match.rule.option == "--read 'LRANGE h:{session_id}'"
    rule = parse_rule("--read", Role.READ, "lrange  h:{session_id} ")
    assert rule == match.rule
    assert Rules().plus([rule, rule]).options() == ["--read 'LRANGE h:{session_id}'"]


@given(
    st.sampled_from(Role),
    st.text("AZ*.", min_size=1),
    st.from_regex(r"[ -~]*(\{session_id\})?\S+", fullmatch=True),
)
def test_an_option_is_read_as_it_was_written(role: Role, command: str, name: str) -> None:
    assume(name.split()[0].strip("*") not in ("", SESSION) and name.count(SESSION) < 2)
    rule = parse_rule("--rule", role, f"{command} {name}")
    assert parse_option(rule.option) == rule


@pytest.mark.parametrize("text", ["", "--read", "--read a b c", "--write 'SET a'", "--read 'SET"])
def test_what_is_no_option_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="want one of --read, --subscribe"):
        parse_option(text)


def test_bytes_that_are_no_text_are_a_session_all_the_same() -> None:
    assert NAMED.matches("GET", [b"h:\xff"]) == [Match(Role.READ, "\\xff")]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("LRANGE", "--read 'LRANGE': write COMMAND NAME"),
        ("", "write COMMAND NAME"),
        ("GET {session_id}:{session_id}", "at most once"),
        ("XADD {session_id}:log * {session_id}", "at most once"),
        ("GET {session_id}", "needs more than"),
        ("* *", "needs more than"),
    ],
)
def test_a_wrong_rule_is_refused_in_a_line(text: str, reason: str) -> None:
    with pytest.raises(UsageError, match="--read") as refused:
        parse_rule("--read", Role.READ, text)
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)


def test_rules_are_used_by_what_they_found_and_not_by_what_others_of_their_name_did() -> None:
    """`LRANG h:{session_id}` was shown as the read, because an LRANGE of that name had been."""
    named = tuple(
        parse_rule("--read", Role.READ, f"{command} h:{{session_id}}")
        for command in ("*", "LRANG", "LRANGE")
    )
    for rules, used in ((named[:2], named[:1]), (named[1:], named[2:]), (named[1:2], ())):
        of_them = Rules(rules)
        assert of_them.used(said(of_them, "LRANGE h:7 0 -1")).rules == used
