"""Force each interleaving on a system as it is, by holding its store's commands on their way.

Pure: `rules` (which command is whose read, subscription, publication), `plan` (the orders to
force), `schedule` (one as a file), `judging`, `outcome` (what the tries come to), `drawing`,
`conditions` (thresholds, JUnit). On the wire: `resp`, `gate`, `connection`, `proxy`. A try: `trial`
(what waits), `systems` (who writes), `visitors`, `returning` (who joins), `forcing`, `faults`;
`learning` comes before the tries and `natural` after them. docs/steer.md says what it can see.
"""
