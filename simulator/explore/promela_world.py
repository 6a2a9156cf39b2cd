"""The world of a cell in Promela, with places for what its orderings do (`promela.py` fills them).

The state of every event is in global variables; `hidden` ones are for counting and hold nothing
between two events. Sets of chunk and sequence numbers are bit masks.
"""

WORLD = """\
/* $connect x $write: $chunks chunks, $joiners client(s), as chunk7 explores them.

   spin -DLOSSY -a FILE && gcc -O1 -DSAFETY -o pan pan.c && ./pan -E -m1000000

   "errors: 0": no schedule ends so. Instead of LOSSY: $failures.
   A schedule that does: spin -DLOSSY -t -p FILE */

#define CHUNKS $chunks
#define JOINERS $joiners
#define ALL ((2 << CHUNKS) - 2)
#define EARLY_BEATS $early_beats
#define FINAL_BEATS 2
#define ASKS $asks
#define HAS(set, member) (((set) >> (member)) & 1)
#define IS_KNOWN(j, p) (PUBLISHED_SEQ(p) > 0 && HAS(known[j], PUBLISHED_SEQ(p)))

$tables

mtype = { UNSUBSCRIBED, SENT, SUBSCRIBED, NONE, CLIENT, BUFFER };

/* the store */
byte counter, saved, published, entries;
bool produced;                  /* the producer has done its last command */

/* the node's subscription: `next` is the publication that is to be delivered next */
mtype channel = UNSUBSCRIBED;
bool listening;
byte next;

/* what the node keeps of each client: where live chunks go, how many are held, what to leave out */
mtype sink[JOINERS] = NONE;
byte held[JOINERS];
bool leaving[JOINERS];
int known[JOINERS];
bool following[JOINERS];
byte cursor[JOINERS];
bool done[JOINERS];             /* the join has ended */

/* each client: what it was sent, and what its reader was shown */
int received[JOINERS], shown[JOINERS];
byte latest[JOINERS];
bool duplicated, disordered, rewound;

/* each client that fills gaps: lowest number missing, highest known of, asked up to, above `low` */
bool has_history[JOINERS];
byte low[JOINERS] = 1;
byte head[JOINERS], asked[JOINERS], early[JOINERS], final[JOINERS];
int ahead[JOINERS];
bool fetching[JOINERS];
chan fetches[JOINERS] = [8] of { byte, byte };

hidden byte i, k, first, last;

inline given(j, number, seq) {
  if
  :: HAS(received[j], number) -> duplicated = 1
  :: else -> disordered = disordered || number < latest[j]
  fi;
  rewound = rewound || number < latest[j];
  latest[j] = (number > latest[j] -> number : latest[j]);
  received[j] = received[j] | (1 << number);
  if
  :: ASKS && (seq < low[j] || HAS(ahead[j], seq))
  :: ASKS && !(seq < low[j] || HAS(ahead[j], seq)) ->
     shown[j] = shown[j] | (1 << number);
     head[j] = (seq > head[j] -> seq : head[j]);
     ahead[j] = ahead[j] | (1 << seq);
     do
     :: HAS(ahead[j], low[j]) -> ahead[j] = ahead[j] & ~(1 << low[j]); low[j]++
     :: else -> break
     od
  :: !ASKS -> shown[j] = shown[j] | (1 << number)
  fi
}

inline learn_head(j, number) {
  if
  :: ASKS -> head[j] = (number > head[j] -> number : head[j]); asked[j] = low[j] - 1
  :: else
  fi
}

/* After each frame: the first hole that has not been asked for. */
inline ask(j) {
  first = (low[j] > asked[j] + 1 -> low[j] : asked[j] + 1);
  do
  :: HAS(ahead[j], first) -> first++
  :: else -> break
  od;
  if
  :: ASKS && has_history[j] && first <= head[j] ->
     last = first;
     do
     :: last < head[j] && !HAS(ahead[j], last + 1) -> last++
     :: else -> break
     od;
     asked[j] = last;
     fetches[j] ! first, last
  :: else
  fi
}

inline frame(j, number, seq) { given(j, number, seq); ask(j) }

/* A live chunk, publication p, has come to the node. */
inline take(j, p) {
  if
  :: sink[j] == NONE
  :: sink[j] == BUFFER -> held[j]++
  :: sink[j] == CLIENT && leaving[j] && IS_KNOWN(j, p)
  :: sink[j] == CLIENT && !(leaving[j] && IS_KNOWN(j, p)) ->
     leaving[j] = leaving[j] && (known[j] >> PUBLISHED_SEQ(p)) != 0;
     frame(j, PUBLISHED_NUMBER(p), PUBLISHED_SEQ(p))
  fi
}

/* What is held goes out by number, without what is known; more of it may be on its way. */
inline release(j, set) {
  for (k : 0 .. CHUNKS) {
    i = next - held[j];
    do
    :: i < next && PUBLISHED_SEQ(i) == k && !(k > 0 && HAS(set, k)) ->
       frame(j, PUBLISHED_NUMBER(i), PUBLISHED_SEQ(i)); i++
    :: i < next && !(PUBLISHED_SEQ(i) == k && !(k > 0 && HAS(set, k))) -> i++
    :: i >= next -> break
    od
  }
  held[j] = 0; sink[j] = CLIENT; known[j] = set; leaving[j] = set != 0
}

inline subscribe(j, to) {
  sink[j] = to;
  if
  :: channel == UNSUBSCRIBED -> channel = SENT
  :: else
  fi
}

proctype Producer() {
$producer
}

proctype Store() {
end: do
  :: atomic { channel == SENT -> channel = SUBSCRIBED; listening = 1; next = published }
  od
}

proctype Node() {
  byte client;
end: do
  :: atomic {
       listening && next < published ->
       for (client : 0 .. JOINERS - 1) { take(client, next) }
       client = 0;
       next++
     }
  od
}

proctype Join(byte j) {
$join
DONE: skip
}

proctype Tail(byte j) {
end: do
  :: atomic {
       following[j] && cursor[j] < entries ->
       do
       :: cursor[j] < entries ->
          frame(j, APPENDED_NUMBER(cursor[j]), APPENDED_SEQ(cursor[j])); cursor[j]++
       :: else -> break
       od
     }
  od
}

proctype Fetch(byte j) {
  byte from, to, found;
end: do
  :: atomic { !fetching[j] && len(fetches[j]) > 0 ->
       fetches[j] ? from, to; found = saved; fetching[j] = 1 }
  :: atomic { fetching[j] ->
       i = 0;
       do
       :: i < found && SAVED_SEQ(i) >= from && SAVED_SEQ(i) <= to ->
          given(j, SAVED_NUMBER(i), SAVED_SEQ(i)); i++
       :: i < found && !(SAVED_SEQ(i) >= from && SAVED_SEQ(i) <= to) -> i++
       :: i >= found -> break
       od;
       fetching[j] = 0; from = 0; to = 0; found = 0;
       ask(j) }
  od
}

#define HOLE(j) (low[j] <= head[j] && !fetching[j] && len(fetches[j]) == 0)
#define BEATS(j) (HOLE(j) -> FINAL_BEATS : 1)

proctype Beat(byte j) {
end: do
  :: atomic { done[j] && !produced && early[j] < EARLY_BEATS ->
       early[j]++; learn_head(j, counter); ask(j) }
  :: atomic { done[j] && produced && final[j] < BEATS(j) ->
       final[j]++; learn_head(j, counter); ask(j) }
  od
}

init {
  byte j;
  atomic {
    run Producer(); run Store(); run Node();
    for (j : 0 .. JOINERS - 1) {
      run Join(j);
      if
      :: ASKS -> run Fetch(j); run Beat(j)
      :: else
      fi;
      run Tail(j)
    }
    j = 0
  };
  timeout;
  for (j : 0 .. JOINERS - 1) {
#ifdef LOSSY
    assert(shown[j] == ALL);
#endif
#ifdef STUCK
    assert(done[j]);
#endif
    skip
  };
#ifdef DUPLICATING
  assert(!duplicated);
#endif
#ifdef OUT_OF_ORDER
  assert(!disordered);
#endif
#ifdef REWINDING
  assert(!rewound);
#endif
  skip
}
"""
