-- Forgets a note that still stands; of a state that ended, it leaves a grave.
--
-- KEYS: the note, the grave. ARGV: the note, and for how many ms the grave is kept, 0 for none.
-- Returns 1 if it did.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
    return 0
end
redis.call('DEL', KEYS[1])
if ARGV[2] ~= '0' then
    redis.call('SET', KEYS[2], '1', 'PX', ARGV[2])
end
return 1
