"""Force each interleaving on a system as it is, by holding its store's commands on their way.

Pure: `rules` (which command is whose read, subscription, publication), `plan` (the orders to
force), `schedule` (one as a file), `outcome` (what the tries come to), `drawing`, `conditions`
(thresholds, JUnit). docs/steer.md says what it can see.
"""
