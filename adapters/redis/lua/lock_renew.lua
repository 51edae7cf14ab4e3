-- Lets a lease end so much later than now, if the holding still has the lock.
--
-- KEYS: the lock, its last fencing token. ARGV: the holding, time to live in ms, for how long to
-- keep the token after it. Returns 1, or 0 if it is not held.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
    return 0
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[2], string.format('%.0f', ARGV[2] + ARGV[3]))
return 1
