-- Another time to live for the entry that has this nonce.
-- KEYS: entry. ARGV: nonce, milliseconds, indices of the nonce's first and last byte.
if redis.call('GETRANGE', KEYS[1], ARGV[3], ARGV[4]) ~= ARGV[1] then
  return 0
end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
