-- Store an entry whatever is there, and end the lease, so that no load that has it fills the key.
-- KEYS: entry, lease. ARGV: the entry, milliseconds that it lives, channel.
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if redis.call('DEL', KEYS[2]) == 1 then
  redis.call('PUBLISH', ARGV[3], '')
end
return 1
