-- One event: take the session's next number, save the chunk, renew its time to live, publish it.
-- KEYS: counter, history list, channel. ARGV: TTL in ms, then the payload, cut wherever the number
-- belongs. Returns {seq, receivers}.
local seq = redis.call('INCR', KEYS[1])
local payload = table.concat(ARGV, seq, 2)
redis.call('RPUSH', KEYS[2], payload)
redis.call('PEXPIRE', KEYS[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return {seq, redis.call('PUBLISH', KEYS[3], payload)}
