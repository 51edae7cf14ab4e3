-- Append entries to a stream, which then lives on.
-- KEYS: stream. ARGV: about how many entries are kept, milliseconds that it lives, how many values
-- each entry has (names and values in turn), and all of these.
local width = tonumber(ARGV[3])
for first = 4, #ARGV, width do
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', unpack(ARGV, first, first + width - 1))
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
