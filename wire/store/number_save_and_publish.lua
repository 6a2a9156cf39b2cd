-- One event: take the session's next number, save the chunk, renew its time to live, publish it.
-- KEYS: counter, history list, channel. ARGV: payload before the number, after it, TTL in ms.
-- Returns {seq, receivers}.
local seq = redis.call('INCR', KEYS[1])
local payload = ARGV[1] .. seq .. ARGV[2]
redis.call('RPUSH', KEYS[2], payload)
redis.call('PEXPIRE', KEYS[2], ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {seq, redis.call('PUBLISH', KEYS[3], payload)}
