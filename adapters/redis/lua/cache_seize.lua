-- Take the lease from whoever holds it; the nonce of the entry that is there, or ''.
-- KEYS: entry, lease. ARGV: token, milliseconds, indices of the nonce's first and last byte.
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return redis.call('GETRANGE', KEYS[1], ARGV[3], ARGV[4])
