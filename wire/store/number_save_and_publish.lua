-- One event: take the session's next number, save the chunk, renew its time to live, publish it.
-- KEYS: counter, history list, channel, epoch. ARGV: TTL in ms, the last number that the caller
-- took, the epoch to begin if the next is not above it (empty: none), the epoch's TTL in ms, then
-- the payload, cut wherever the number belongs. Returns {seq, receivers}.
local seq = redis.call('INCR', KEYS[1])
if ARGV[3] ~= '' and (seq == 1 or seq <= tonumber(ARGV[2])) then
  redis.call('SET', KEYS[4], ARGV[3], 'PX', ARGV[4])
end
local payload = table.concat(ARGV, seq, 5)
redis.call('RPUSH', KEYS[2], payload)
redis.call('PEXPIRE', KEYS[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return {seq, redis.call('PUBLISH', KEYS[3], payload)}
