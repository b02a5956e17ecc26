-- pgbench's own transaction (TPC-B) and its reading one, as often as each statement is asked.
-- calls: 10000
UPDATE pgbench_accounts SET abalance = abalance + 1234 WHERE aid = 123456;
-- calls: 20000
SELECT abalance FROM pgbench_accounts WHERE aid = 234567;
-- calls: 10000
UPDATE pgbench_tellers SET tbalance = tbalance + 1234 WHERE tid = 17;
-- calls: 10000
UPDATE pgbench_branches SET bbalance = bbalance + 1234 WHERE bid = 3;
-- calls: 10000
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (17, 3, 123456, 1234, '2026-03-01 12:00:00');
